package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/mirror"
)

// load makes the mirror equal to etcd's current revision.
func (db *DB) load(ctx context.Context) error {
	all, rev, err := db.list(ctx)
	if err != nil {
		return err
	}
	db.rows.Replace(rev, all)
	return nil
}

// list reads all rows at one revision, page by page.
func (db *DB) list(ctx context.Context) (all map[string]mirror.Row, rev int64, err error) {
	const page = 1000
	from, end := db.row(""), clientv3.GetPrefixRangeEnd(db.row(""))
	all = make(map[string]mirror.Row)
	for {
		resp, err := db.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(page), clientv3.WithRev(rev))
		if err != nil {
			return nil, 0, fmt.Errorf("list rows: %w", err)
		}
		if rev == 0 {
			rev = resp.Header.Revision
		}
		for _, kv := range resp.Kvs {
			all[db.key(kv.Key)] = mirror.Row{Value: store.WrittenValue(kv.Value), Rev: kv.ModRevision}
		}
		if !resp.More {
			return all, rev, nil
		}
		from = string(resp.Kvs[len(resp.Kvs)-1].Key) + "\x00"
	}
}

// watch feeds the mirror until ctx ends. What a watch can't tell any more,
// because etcd has compacted it away, is listed again.
func (db *DB) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := db.follow(ctx)
		if errors.Is(err, rpctypes.ErrCompacted) {
			err = db.load(ctx)
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		db.log.Warn("watch of etcd interrupted", "err", err)
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// follow applies what comes after the mirror's revision.
func (db *DB) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := db.client.Watch(ctx, db.row(""), clientv3.WithPrefix(), clientv3.WithRev(db.rows.Latest().Rev+1))
	for resp := range watch {
		if err := resp.Err(); err != nil {
			return err
		}
		db.apply(resp.Events)
	}
	return errors.New("etcd ended the watch")
}

// apply hands events to the mirror, a revision at a time.
func (db *DB) apply(events []*clientv3.Event) {
	var rev int64
	var changes []store.Change
	for _, e := range events {
		if e.Kv.ModRevision != rev && len(changes) > 0 {
			db.rows.Apply(rev, changes)
			changes = nil
		}
		rev = e.Kv.ModRevision
		c := store.Change{Key: db.key(e.Kv.Key)}
		if e.Type == clientv3.EventTypePut {
			c.Value = store.WrittenValue(e.Kv.Value)
		}
		changes = append(changes, c)
	}
	if len(changes) > 0 {
		db.rows.Apply(rev, changes)
	}
}

func (db *DB) key(k []byte) string { return string(k[len(db.row("")):]) }
