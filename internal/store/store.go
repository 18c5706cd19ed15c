// Package store keeps Skylift's records.
//
// A record is written in a transaction that either commits whole or not at
// all, and whoever follows a table sees every key's latest value, in commit
// order, without gaps. store/etcdstore keeps the records in etcd and
// store/memstore in memory; store/storetest holds both to these promises.
package store

import (
	"context"
	"errors"
	"iter"
)

// ErrNotFound says that no record has the key asked for.
var ErrNotFound = errors.New("record not found")

// Why a store can't do what it was asked, apart from the caller's own reasons.
var (
	// ErrFull: there is no space left to write. Records can be read.
	ErrFull = errors.New("the store is full")
	// ErrAway: the store did not answer in time. Whether it has made the change
	// is not known; what was there can be read.
	ErrAway = errors.New("the store does not answer")
	// ErrTooLarge: a transaction writes or reads more than the store allows.
	ErrTooLarge = errors.New("the transaction is too large for the store")
	// ErrClosed: the store was closed, or has failed for good.
	ErrClosed = errors.New("the store is closed")
	// ErrReadOnly: a function given to View wrote.
	ErrReadOnly = errors.New("write in a read-only transaction")
	// ErrLostLead is the cause of the end of ctx in Lead when leadership is lost.
	ErrLostLead = errors.New("lost leadership")
)

// DB is the port: a transactional, ordered key-value store.
type DB interface {
	// Update runs f in a transaction and commits what it wrote when f returns
	// nil; it returns after the commit is durable. f may run more than once, so
	// it must only read and write through tx. Reads in f see one snapshot plus
	// f's own writes; a commit whose reads (keys, and ranges including keys that
	// appeared or vanished in them) are no longer true is retried. An error of f
	// is returned as it is and nothing is written. A store without space
	// returns ErrFull when f wrote; with a ctx of Freeing it may use its reserve.
	Update(ctx context.Context, f func(tx Tx) error) error

	// View runs f on one snapshot that includes every Update that returned
	// before in this process. Writing in f is an error.
	View(ctx context.Context, f func(tx Tx) error) error

	// Follow calls f first with a batch that holds every row under prefix
	// (Reset is true, also when there are none), then with what changed, in
	// commit order, until ctx ends or f returns an error. A slow f misses
	// intermediate values of a key, never its latest. A Reset batch may come
	// again (after a gap that could not be closed): rows not in it are gone.
	Follow(ctx context.Context, prefix string, f func(Batch) error) error

	// Lead runs f while this process is the leader called name, and waits to
	// become it before. f's ctx ends when leadership is lost. Lead returns when
	// f returns or ctx ends.
	Lead(ctx context.Context, name string, f func(ctx context.Context) error) error

	// Close releases the store. Nothing that was acknowledged is lost.
	Close() error
}

// Tx is one transaction. It is not safe for concurrent use and must not be
// kept after the function it was given to returns.
type Tx interface {
	// Get returns the value at key; ok is false when there is none.
	Get(key string) (value *Value, ok bool)
	// Scan yields the rows whose keys start with prefix and are greater than
	// after ("" for all), in key order.
	Scan(prefix, after string) iter.Seq2[string, *Value]
	// Put and Delete write; deleting what is not there is fine.
	Put(key string, value []byte)
	Delete(key string)
}

// Batch is what Follow delivers: the changes of one or more commits.
type Batch struct {
	Reset   bool
	Changes []Change
}

// Change is one row's latest value; Value is nil when the row is gone.
type Change struct {
	Key   string
	Value *Value
}
