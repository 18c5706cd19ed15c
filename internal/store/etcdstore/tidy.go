package etcdstore

import (
	"context"
	"errors"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/server/v3/storage/mvcc"

	"github.com/skylift/skylift/internal/store"
)

const (
	// pastKept is how long the past is kept at least: it is of use only to a watch
	// and to transactions that lag, and takes memory.
	pastKept = 10 * time.Second
	// muchPast is how many revisions of it are worth going over all rows for, which
	// is what a compaction does; fewer wait for littleKept.
	muchPast   = 1000
	littleKept = time.Minute
	// tidyFrom is the size from which that matters: its file is in memory, too.
	tidyFrom = 64 * mib
)

// tidyAlways forgets the past and gives back what the database has room for and
// doesn't use, until ctx ends. After thousands of changes nearly all of it is the
// past, which is compacted away, but the file stays as large as it was.
func (s *server) tidyAlways(ctx context.Context) {
	tick := time.NewTicker(pastKept)
	defer tick.Stop()
	p := past{at: time.Now()}
	for {
		select {
		case now := <-tick.C:
			s.provideAlways()
			rev := s.etcd.Server.KV().Rev()
			busy := rev-p.before >= muchPast
			if err := s.compact(ctx, p.end(rev, now)); err != nil && ctx.Err() == nil {
				s.log.Error("compact etcd", "err", err)
			}
			if busy {
				continue // it must not stand still now
			}
			if err := s.tidy(tidyFrom); err != nil && !errors.Is(err, store.ErrFull) {
				s.log.Error("defragment etcd", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// past is what was compacted and when, and the revision of a pastKept ago.
type past struct {
	compacted, before int64
	at                time.Time
}

// end returns up to which revision to compact now, when the latest is rev; 0 for
// not at all.
func (p *past) end(rev int64, now time.Time) int64 {
	end := p.before
	p.before = rev
	if end == 0 || end == p.compacted || end-p.compacted < muchPast && now.Sub(p.at) < littleKept {
		return 0
	}
	p.compacted, p.at = end, now
	return end
}

// compact forgets what was before a revision; 0 is none.
func (s *server) compact(ctx context.Context, rev int64) error {
	if rev == 0 {
		return nil
	}
	_, err := s.etcd.Server.Compact(ctx, &etcdserverpb.CompactionRequest{Revision: rev})
	if errors.Is(err, mvcc.ErrCompacted) { // by reclaim
		return nil
	}
	return err
}

// tidy makes a database that has more than least bytes, and uses less than half
// of them, as small as it can be. It stands still meanwhile, for as long as it
// takes to copy what is used.
func (s *server) tidy(least int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.etcd.Server.Backend()
	if size := b.Size(); size <= least || b.SizeInUse() > size/2 {
		return nil
	}
	return s.defrag()
}
