package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
)

// storeDir is where in the data directory the records are, unless an external
// etcd has them.
const storeDir = "etcd"

// tables are those of all services, and the keys that they seal with.
func tables() []store.Schema {
	all := seal.Tables()
	for _, s := range services {
		if s.tables != nil {
			all = append(all, s.tables()...)
		}
	}
	return all
}

// upgradeRecords brings the records of an older release to this one's form,
// before anything else reads them. Of several processes on one store, one at a
// time does it, and none does it while another one leads.
func upgradeRecords(ctx context.Context, db store.DB, log *slog.Logger) error {
	ctx = store.Freeing(ctx) // a full disk is no reason not to start
	outdated, err := store.Outdated(ctx, db, tables()...)
	if err != nil {
		return readable(err)
	}
	if !outdated {
		return nil
	}
	tell := func(table string, from, to int) {
		if from == to {
			log.Info("the indexes of an older release are brought up", "key", table)
			return
		}
		log.Info("records of an older release are upgraded", "key", table, "from", from, "to", to)
	}
	// Another process may do it while this one waits for its turn.
	turn, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if store.Upgraded(turn, db, tables()...) == nil {
			stop()
		}
	})
	late := time.AfterFunc(leadPatience, func() {
		log.Warn("the records are of an older release, and another process leads: end it, so that they can be upgraded")
	})
	err = db.Lead(turn, termName, func(ctx context.Context) error {
		late.Stop()
		return store.Upgrade(ctx, db, tell, tables()...)
	})
	late.Stop()
	stop()
	wg.Wait()
	if err == nil || ctx.Err() != nil {
		return err
	}
	if outdated, again := store.Outdated(ctx, db, tables()...); again == nil && !outdated {
		return nil
	}
	return readable(fmt.Errorf("upgrade the records: %w", err))
}

// leadPatience is how long this process waits for another one that leads before
// it says so.
const leadPatience = 5 * time.Second

// readable says what to do about records of a later release.
func readable(err error) error {
	if errors.Is(err, store.ErrNewer) {
		return fmt.Errorf("%w: start the release that wrote them, or a later one, or put back a copy of the data from before", err)
	}
	return err
}
