// Package etcdstore keeps records in etcd: one that runs inside this process,
// or a cluster that several processes share.
//
// An Update is acknowledged when etcd has it on disk. Reads come from a mirror
// in memory, which a watch feeds, and a commit is refused by etcd, and tried
// again, when what it read there was out of date.
//
// In etcd, under the prefix: k/<key> are the rows, d/<group> the row that every
// delete in a group of keys touches (a compare over a range does not see what
// is missing from it), and l/<name> the elections.
package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/mirror"
)

// Config says where the records are.
type Config struct {
	Dir       string   // data directory of an etcd inside this process
	Endpoints []string // an external cluster instead
	Prefix    string   // of all keys; "skylift" when empty
	Logger    *slog.Logger
}

// DB is a store in etcd.
type DB struct {
	client *clientv3.Client
	server *server // nil: an external cluster
	prefix string
	log    *slog.Logger
	rows   *mirror.Mirror
	turns  mirror.Turns
	queue  chan struct{} // held by the one that commits again after a conflict

	stop  context.CancelFunc
	wg    sync.WaitGroup
	close func() error // once
}

var _ store.DB = (*DB)(nil)

// Open starts the etcd in cfg.Dir, or connects to that at cfg.Endpoints, and
// reads all rows. ctx bounds only the opening.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Prefix == "" {
		cfg.Prefix = "skylift"
	}
	db := &DB{
		prefix: strings.TrimSuffix(cfg.Prefix, "/") + "/",
		log:    cfg.Logger,
		rows:   mirror.New(),
		queue:  make(chan struct{}, 1),
	}
	if err := db.connect(ctx, cfg); err != nil {
		return nil, err
	}
	if err := db.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read the store: %w", err), db.release())
	}
	run, stop := context.WithCancel(context.Background())
	db.stop = stop
	db.close = sync.OnceValue(db.shut)
	db.wg.Go(func() { db.watch(run) })
	if db.server != nil {
		db.wg.Go(func() { db.server.report(run, db.rows) })
		db.wg.Go(func() { db.server.tidyAlways(run) })
	}
	return db, nil
}

func (db *DB) connect(ctx context.Context, cfg Config) error {
	if len(cfg.Endpoints) > 0 {
		c, err := dial(ctx, cfg)
		db.client = c
		return err
	}
	s, err := start(ctx, cfg)
	if err != nil {
		return err
	}
	db.server, db.client = s, s.client()
	return nil
}

// View implements store.DB.
func (db *DB) View(ctx context.Context, f func(store.Tx) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	return db.rows.Latest().View(f)
}

// Follow implements store.DB. Reset comes only once: after a gap in etcd's
// history the mirror finds the differences.
func (db *DB) Follow(ctx context.Context, prefix string, f func(store.Batch) error) error {
	if err := db.usable(ctx); err != nil {
		return err
	}
	return db.rows.Follow(ctx, prefix, f)
}

// Close implements store.DB.
func (db *DB) Close() error { return db.close() }

func (db *DB) shut() error {
	db.rows.Close(store.ErrClosed)
	db.stop()
	var err error
	end := func() {
		db.wg.Wait()
		err = db.release()
	}
	if db.server == nil {
		end()
	} else if !db.server.within(2*closeFailed, end) {
		return nil // etcd has failed with its locks held, and whoever waits for one waits for ever
	}
	return err
}

func (db *DB) release() error {
	err := db.client.Close()
	if db.server != nil {
		db.server.close()
		return nil // the in-process client has no connection that could fail to close
	}
	if err != nil {
		return fmt.Errorf("disconnect from etcd: %w", err)
	}
	return nil
}

func (db *DB) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return db.rows.Err()
}
