// Package vulndb has the vulnerability database that a path holds in memory, and reads it again when its files change.
//
// A database is read whole before it counts, so whoever asks never sees half of one. While a new one can't be read, the old one stays.
package vulndb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
)

// Look is how often the files are looked at.
const look = 10 * time.Second

// ErrNone says that no path was given.
var ErrNone = errors.New("there is no vulnerability database: start skylift serve with --vulnerabilities PATH, where PATH has OSV records")

// DB is the database of a path. Make it by New.
type DB struct {
	path string
	log  *slog.Logger

	mu    sync.Mutex
	now   state
	next  chan struct{} // closed, and made anew, when now has changed
	tried string        // the print of what was read last, whether that went well or not
}

// state is what there is at a moment.
type state struct {
	read  bool // at least once
	db    *osv.Database
	print string
	err   error
}

// New returns the database of a path; of none when that is empty. Run reads it.
func New(path string, log *slog.Logger) *DB {
	return &DB{path: path, log: log, next: make(chan struct{})}
}

// Check says what is wrong with a path that can't hold a database.
func Check(path string) error {
	if path == "" {
		return nil
	}
	_, err := printOf(path)
	return err
}

// Given tells whether there is a path.
func (d *DB) Given() bool { return d.path != "" }

// Run reads the files, and reads them again when they changed.
func (d *DB) Run(ctx context.Context) error {
	if d.path == "" {
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		d.refresh(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// refresh reads the files if they aren't those that were read last.
func (d *DB) refresh(ctx context.Context) {
	is, err := printOf(d.path)
	if err == nil && is == d.tried {
		return
	}
	began := time.Now()
	var db *osv.Database
	if err == nil {
		db, err = load(ctx.Err, d.path)
	}
	if ctx.Err() != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried = is
	if err != nil {
		if d.now.err == nil || d.now.err.Error() != err.Error() {
			d.log.Error("read the vulnerability database", "key", d.path, "err", err)
		}
		d.now.err = err
		if d.now.read {
			return
		}
	} else {
		d.now = state{db: db, print: is}
		d.log.Info("read the vulnerability database", "key", d.path, "records", db.Records, "updated", db.Updated, "took", time.Since(began).Round(time.Millisecond))
	}
	d.now.read = true
	close(d.next)
	d.next = make(chan struct{})
}

func (d *DB) state() (state, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now, d.next
}

// Current returns the database, and its print, which changes with its files. It waits for the first one. Error: why there is none.
func (d *DB) Current(ctx context.Context) (db *osv.Database, mark string, err error) {
	for d.path != "" {
		now, next := d.state()
		switch {
		case now.db != nil:
			return now.db, now.print, nil
		case now.read:
			return nil, "", fmt.Errorf("the vulnerability database can't be read: %w", now.err)
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil, "", fmt.Errorf("the vulnerability database is being read: %w", ctx.Err())
		}
	}
	return nil, "", ErrNone
}

// Changes calls f each time that there is another database, until ctx ends.
func (d *DB) Changes(ctx context.Context, f func() error) error {
	for {
		_, next := d.state()
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// Problem says why the files, as they are now, don't count; "" when they do.
func (d *DB) Problem() string {
	now, _ := d.state()
	if now.err == nil {
		return ""
	}
	left := "no image can be scanned"
	if now.db != nil {
		left = "images are scanned with the one that was read before"
	}
	return fmt.Sprintf("the vulnerability database can't be read, so %s: %v", left, now.err)
}
