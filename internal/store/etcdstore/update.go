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

// commitWait is how long a cluster that is away is waited for: less than
// clients of the APIs wait for their answer.
const commitWait = 10 * time.Second

// Update implements store.DB.
func (db *DB) Update(ctx context.Context, f func(store.Tx) error) error {
	done, err := db.attempt(ctx, f)
	if done || err != nil {
		return err
	}
	// Others write the same rows. Those that have lost once go one by one.
	select {
	case db.queue <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-db.queue }()
	for !done && err == nil {
		done, err = db.attempt(ctx, f)
	}
	return err
}

// attempt runs f on the latest snapshot and commits. It is not done when what
// f read has changed since; the mirror is past that snapshot then.
func (db *DB) attempt(ctx context.Context, f func(store.Tx) error) (done bool, err error) {
	if err := db.usable(ctx); err != nil {
		return false, err
	}
	tx := db.rows.Latest().Begin()
	if err := f(tx); err != nil {
		return false, err
	}
	changes := tx.Changes()
	if len(changes) == 0 && !tx.Elided() {
		return true, nil
	}
	resp, err := db.commit(ctx, db.compares(tx), db.operations(changes))
	if err != nil {
		return false, err
	}
	if !resp.Succeeded {
		return false, db.rows.Wait(ctx, tx.Rev()+1)
	}
	if len(changes) > 0 {
		// It is committed: whoever ends the wait has no use for the mirror.
		_ = db.rows.Wait(ctx, resp.Header.Revision)
	}
	return true, nil
}

func (db *DB) commit(ctx context.Context, when []clientv3.Cmp, then []clientv3.Op) (*clientv3.TxnResponse, error) {
	ctx, cancel := db.whileUp(ctx)
	defer cancel()
	if db.server == nil {
		var enough context.CancelFunc
		ctx, enough = context.WithTimeoutCause(ctx, commitWait, fmt.Errorf("%w: etcd took no change within %v", store.ErrAway, commitWait))
		defer enough()
	}
	if db.server != nil && len(then) > 0 {
		if err := db.server.room(store.IsFreeing(ctx)); err != nil {
			return nil, err
		}
	}
	resp, err := db.client.Txn(ctx).If(when...).Then(then...).Commit()
	if db.server != nil && errors.Is(err, rpctypes.ErrNoSpace) && db.server.reclaim(ctx, db.client) {
		resp, err = db.client.Txn(ctx).If(when...).Then(then...).Commit()
	}
	if err != nil {
		return nil, db.explain(ctx, err, len(when), len(then))
	}
	return resp, nil
}

// whileUp ends with ctx, or when the store does.
func (db *DB) whileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	closed := db.rows.Closed()
	stop := make(chan struct{})
	go func() {
		select {
		case <-closed:
			cancel(db.rows.Err())
		case <-stop:
		}
	}()
	return ctx, func() { close(stop); cancel(nil) }
}

func (db *DB) explain(ctx context.Context, err error, compares, ops int) error {
	switch {
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("%w: %d compares and %d writes are more than etcd's --max-txn-ops allows", store.ErrTooLarge, compares, ops)
	case errors.Is(err, rpctypes.ErrRequestTooLarge):
		return fmt.Errorf("%w: its bytes are more than etcd's --max-request-bytes allows", store.ErrTooLarge)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: etcd has reached its quota: delete what isn't needed, compact, defragment and disarm its NOSPACE alarm", store.ErrFull)
	default:
		return fmt.Errorf("commit to etcd: %w", err)
	}
}

// operations writes changes, and touches the tombstone of each group that
// something is deleted in.
func (db *DB) operations(changes []store.Change) []clientv3.Op {
	var ops []clientv3.Op
	touched := make(map[string]bool)
	for _, c := range changes {
		if c.Value != nil {
			ops = append(ops, clientv3.OpPut(db.row(c.Key), c.Value.String()))
			continue
		}
		ops = append(ops, clientv3.OpDelete(db.row(c.Key)))
		if g := group(c.Key); !touched[g] {
			touched[g] = true
			ops = append(ops, clientv3.OpPut(db.tombstone(g), ""))
		}
	}
	return ops
}

// compares are true for as long as what tx read is.
func (db *DB) compares(tx *mirror.Tx) []clientv3.Cmp {
	keys, ranges := compact(tx)
	var out []clientv3.Cmp
	for _, k := range keys {
		out = append(out, clientv3.Compare(clientv3.ModRevision(db.row(k.key)), "=", k.rev))
	}
	seen := make(map[string]bool)
	for _, r := range ranges {
		end := db.row(r.To)
		if r.To == "" {
			end = clientv3.GetPrefixRangeEnd(db.row(""))
		}
		out = append(out, unchanged(db.row(r.From), end, tx.Rev()))
		g := group(r.Prefix)
		if from := db.tombstone(g); !seen[from] {
			seen[from] = true
			out = append(out, clientv3.Compare(clientv3.ModRevision(from), "<", tx.Rev()+1))
		}
		if whole := db.tombstone(r.Prefix); open(r.Prefix) && !seen[whole+"*"] {
			seen[whole+"*"] = true
			out = append(out, unchanged(whole, clientv3.GetPrefixRangeEnd(whole), tx.Rev()))
		}
	}
	return out
}

func unchanged(from, end string, rev int64) clientv3.Cmp {
	return clientv3.Compare(clientv3.ModRevision(from), "<", rev+1).WithRange(end)
}

func (db *DB) row(key string) string         { return db.prefix + "k/" + key }
func (db *DB) tombstone(group string) string { return db.prefix + "d/" + group }
