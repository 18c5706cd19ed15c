package etcdstore

import (
	"context"
	"time"
)

const (
	// tidyEvery is how often it is looked whether etcd's database is mostly empty.
	tidyEvery = time.Minute
	// tidyFrom is the size from which that matters: its file is in memory, too.
	tidyFrom = 64 * mib
)

// tidyAlways gives back what the database has room for and doesn't use, until
// ctx ends. After thousands of changes nearly all of it is the past, which is
// compacted away, but the file stays as large as it was.
func (s *server) tidyAlways(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.tidy(tidyFrom); err != nil {
				s.log.Error("defragment etcd", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// tidy makes a database that has more than least bytes, and uses less than a
// third of them, as small as it can be. It stands still meanwhile, for as long as it takes
// to copy what is used.
func (s *server) tidy(least int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.etcd.Server.Backend()
	if size := b.Size(); size <= least || b.SizeInUse() > size/3 {
		return nil
	}
	return b.Defrag()
}
