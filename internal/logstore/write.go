package logstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Append stores events in st and, if cursor is given, sets it: all or nothing. It
// returns when they are on disk. Concurrent calls share an fsync. ErrFull means
// that there is no room, and nothing was written. If ctx ends while Append waits,
// the events may or may not be stored: the cursor tells.
func (s *Store) Append(ctx context.Context, st Stream, events []Event, cursor *Cursor) error {
	if err := st.check(); err != nil {
		return err
	}
	if len(events) == 0 && cursor == nil {
		return nil
	}
	if err := s.disk.room(IsUrgent(ctx)); err != nil {
		return err
	}
	o := &op{stage: func(c *commit) error { return c.append(st, events, cursor) }}
	for i := range events {
		o.size += len(events[i].Text) + eventOverhead
	}
	return s.submit(ctx, o)
}

func (c *commit) append(st Stream, events []Event, cursor *Cursor) error {
	if cursor != nil {
		c.set(cursorKey(cursor.Source), []byte(cursor.Value))
	}
	if len(events) == 0 {
		return nil
	}
	sum, err := c.stat(st)
	if err != nil {
		return err
	}
	ingested := time.Now().UnixMilli()
	if c.db.follow.some() {
		told := slices.Clone(events)
		for i := range told {
			told[i].Ingested = time.UnixMilli(ingested)
		}
		c.told = append(c.told, stored{st, told})
	}
	for _, e := range events {
		c.seq++
		p := pos{e.Time.UnixMilli(), c.seq}
		c.set(eventKey(st, p), eventValue(ingested, e.Text))
		sum.add(p.ms, ingested, e.Text)
	}
	return nil
}

// DropCursors forgets the cursors of all sources whose names start with
// prefix, which must not be empty.
func (s *Store) DropCursors(ctx context.Context, prefix string) error {
	if prefix == "" {
		return errors.New("drop cursors: no prefix")
	}
	return s.submit(ctx, &op{stage: func(c *commit) error {
		p := cursorKey(prefix)
		return c.batch.DeleteRange(p, after(p), nil)
	}})
}

// DeleteStream forgets a stream and its events; a missing one is fine.
func (s *Store) DeleteStream(ctx context.Context, st Stream) error {
	if err := st.check(); err != nil {
		return err
	}
	return s.drop(ctx, st.Group, st.Name)
}

// DeleteGroup forgets all streams of a group; a missing one is fine.
func (s *Store) DeleteGroup(ctx context.Context, group string) error {
	if err := (Stream{group, "-"}).check(); err != nil {
		return err
	}
	return s.drop(ctx, group)
}

func (s *Store) drop(ctx context.Context, names ...string) error {
	return s.submit(ctx, &op{alone: true, stage: func(c *commit) error {
		for _, kind := range []byte{eventKind, statKind} {
			p := prefix(kind, names...)
			if err := c.batch.DeleteRange(p, after(p), nil); err != nil {
				return err
			}
		}
		return nil
	}})
}

// trimStep is how many events Trim removes before it lets others write.
const trimStep = 10_000

// Trim removes the events of a group that are older than before.
func (s *Store) Trim(ctx context.Context, group string, before time.Time) error {
	names, err := s.Streams(ctx, group)
	if err != nil {
		return err
	}
	for _, name := range names {
		st := Stream{group, name}
		for more := true; more; {
			if more, err = s.trim(ctx, st, before); err != nil {
				return fmt.Errorf("trim stream %s of %s: %w", name, group, err)
			}
		}
	}
	return nil
}

// trim removes up to trimStep events of st and says whether there are more.
func (s *Store) trim(ctx context.Context, st Stream, before time.Time) (more bool, err error) {
	info, err := s.StreamInfo(ctx, st)
	if err != nil || info.First.IsZero() || !info.First.Before(before) {
		return false, err
	}
	err = s.submit(ctx, &op{alone: true, stage: func(c *commit) error {
		more, err = c.trim(st, before.UnixMilli())
		return err
	}})
	return more, err
}

func (c *commit) trim(st Stream, before int64) (more bool, err error) {
	sum, err := c.stat(st)
	if err != nil {
		return false, err
	}
	p := prefix(eventKind, st.Group, st.Name)
	it, err := c.db.db.NewIter(&pebble.IterOptions{LowerBound: p, UpperBound: after(p)})
	if err != nil {
		return false, err
	}
	defer it.Close()
	n := 0
	it.First()
	for ; it.Valid() && n < trimStep && keyPos(it.Key()).ms < before; it.Next() {
		n++
		sum.Count--
		sum.Bytes -= int64(len(it.Value())-8) + eventOverhead
	}
	if err := it.Error(); err != nil {
		return false, err
	}
	end := after(p)
	if it.Valid() {
		end = bytes.Clone(it.Key())
		sum.First = keyPos(end).ms
	} else {
		*sum = stat{Ingested: sum.Ingested}
	}
	return n == trimStep && sum.Count > 0, c.batch.DeleteRange(p, end, nil)
}

func (st Stream) check() error {
	for _, n := range []string{st.Group, st.Name} {
		if n == "" || strings.ContainsRune(n, 0) {
			return fmt.Errorf("log stream %q of %q: names must not be empty or have NUL in them", st.Name, st.Group)
		}
	}
	return nil
}
