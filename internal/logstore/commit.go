package logstore

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// groupBytes is how much the writer puts in one commit before it takes no
// more.
const groupBytes = 1 << 20

// op is one change, waiting for its commit.
type op struct {
	// stage adds the change to the commit; an error undoes the whole commit.
	stage func(*commit) error
	size  int
	// alone: the change reads events, so it must see all of what came before.
	alone bool
	done  chan error
}

// commit is what goes to disk at once.
type commit struct {
	batch *pebble.Batch
	stats map[Stream]*stat
	seq   uint64
	db    *Store
	told  []stored // for who follows
}

// submit hands o to the writer and waits until it is on disk. If ctx ends while
// it waits, the change may or may not be made.
func (s *Store) submit(ctx context.Context, o *op) error {
	if s.readOnly.Load() {
		return fmt.Errorf("%w: it can be read only", ErrFull)
	}
	o.done = make(chan error, 1)
	select {
	case s.ops <- o:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.closing:
		return ErrClosed
	case <-s.disk.failed:
		return s.disk.failure()
	}
	select {
	case err := <-o.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-s.disk.failed:
		return s.disk.failure()
	}
}

// write commits what is submitted until the store closes. Whatever arrives
// during a commit's fsync shares the next one.
func (s *Store) write() {
	if s.readOnly.Load() && !s.widen() {
		return
	}
	close(s.writable)
	for {
		select {
		case o := <-s.ops:
			s.commitAll(s.gather(o))
		case <-s.closing:
			return
		}
	}
}

func (s *Store) gather(first *op) []*op {
	ops, size := []*op{first}, first.size
	for size < groupBytes {
		select {
		case o := <-s.ops:
			ops, size = append(ops, o), size+o.size
		default:
			return ops
		}
	}
	return ops
}

// commitAll commits ops in order. An op that must be alone gets a commit of its
// own.
func (s *Store) commitAll(ops []*op) {
	for len(ops) > 0 {
		n := 1
		for !ops[0].alone && n < len(ops) && !ops[n].alone {
			n++
		}
		err := s.commit(ops[:n])
		for _, o := range ops[:n] {
			o.done <- err
		}
		ops = ops[n:]
	}
}

func (s *Store) commit(ops []*op) error {
	c := &commit{batch: s.db.NewBatch(), stats: map[Stream]*stat{}, seq: s.seq, db: s}
	defer c.batch.Close()
	for _, o := range ops {
		if err := o.stage(c); err != nil {
			return err
		}
	}
	for st, v := range c.stats {
		c.set(statKey(st), v.encode())
	}
	if c.seq != s.seq {
		c.set(seqKey, binary.BigEndian.AppendUint64(nil, c.seq))
	}
	if err := s.db.Apply(c.batch, pebble.Sync); err != nil {
		return fmt.Errorf("commit log events: %w", err)
	}
	s.seq = c.seq
	s.follow.tell(c.told)
	return nil
}

func (s *Store) lastSeq() (uint64, error) {
	v, err := s.get(seqKey)
	if err != nil || v == nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("log store's counter is damaged: %x", v)
	}
	return binary.BigEndian.Uint64(v), nil
}

// set stages a row. Staging is in memory: the only error is a batch of 4 GB,
// which Apply reports.
func (c *commit) set(key, value []byte) { _ = c.batch.Set(key, value, nil) }

// stat returns what st holds, to be changed in place.
func (c *commit) stat(st Stream) (*stat, error) {
	if v, ok := c.stats[st]; ok {
		return v, nil
	}
	v, err := c.db.stat(st)
	if err != nil {
		return nil, err
	}
	c.stats[st] = &v
	return &v, nil
}

// stat returns what st holds, the zero stat when there is nothing.
func (s *Store) stat(st Stream) (stat, error) {
	b, err := s.get(statKey(st))
	if err != nil {
		return stat{}, fmt.Errorf("read stream %s of %s: %w", st.Name, st.Group, err)
	}
	if b == nil {
		return stat{}, nil
	}
	return decodeStat(b)
}
