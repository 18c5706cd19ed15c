package etcdstore

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/skylift/skylift/internal/store"
)

// leaseSeconds is how long a leader that was cut off or killed is waited for.
const leaseSeconds = 10

// Lead implements store.DB. No other process can have an embedded store open,
// so leadership of one is a matter of this process.
func (db *DB) Lead(ctx context.Context, name string, f func(context.Context) error) error {
	ctx, cancel := db.whileUp(ctx)
	defer cancel()
	return db.turns.Lead(ctx, name, func(ctx context.Context) error {
		if db.server != nil {
			return f(ctx)
		}
		return db.elected(ctx, name, f)
	})
}

func (db *DB) elected(ctx context.Context, name string, f func(context.Context) error) error {
	session, err := concurrency.NewSession(db.client, concurrency.WithTTL(leaseSeconds), concurrency.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("take a lease to lead %s: %w", name, err)
	}
	// What the election leaves behind goes with the lease. ctx may be over.
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		session.Orphan()
		if _, err := db.client.Revoke(end, session.Lease()); err != nil {
			db.log.Warn("give up a lease", "key", name, "err", err)
		}
	}()
	host, _ := os.Hostname() // for people who look at the election
	if err := concurrency.NewElection(session, db.prefix+"l/"+name).Campaign(ctx, fmt.Sprintf("%s/%d", host, os.Getpid())); err != nil {
		return fmt.Errorf("wait to lead %s: %w", name, err)
	}
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-session.Done():
			lose(store.ErrLostLead)
		case <-over:
		}
	}()
	return f(ctx)
}
