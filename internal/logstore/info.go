package logstore

import (
	"context"
	"slices"
	"time"
)

// StreamInfo returns what a stream holds; the zero Info when there is none.
func (s *Store) StreamInfo(ctx context.Context, st Stream) (Info, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return Info{}, err
	}
	defer done()
	v, err := s.stat(st)
	return v.info(), err
}

// Infos returns what each stream of a group holds, by name.
func (s *Store) Infos(ctx context.Context, group string) (map[string]Info, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	infos := map[string]Info{}
	err = eachStat(s.db, prefix(statKind, group), func(st Stream, v stat) error {
		infos[st.Name] = v.info()
		return ctx.Err()
	})
	return infos, err
}

func (s *stat) info() Info {
	i := Info{Bytes: s.Bytes}
	if s.Ingested != 0 {
		i.Ingested = time.UnixMilli(s.Ingested)
	}
	if s.Count > 0 {
		i.First, i.Last = time.UnixMilli(s.First), time.UnixMilli(s.Last)
	}
	return i
}

// GroupBytes returns how much a group's streams hold, counted as AWS does:
// text and 26 bytes an event.
func (s *Store) GroupBytes(ctx context.Context, group string) (int64, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	var sum int64
	err = eachStat(s.db, prefix(statKind, group), func(_ Stream, v stat) error {
		sum += v.Bytes
		return ctx.Err()
	})
	return sum, err
}

// Streams returns the names of a group's streams that have anything in the store,
// in order.
func (s *Store) Streams(ctx context.Context, group string) ([]string, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var names []string
	err = eachStat(s.db, prefix(statKind, group), func(st Stream, _ stat) error {
		names = append(names, st.Name)
		return ctx.Err()
	})
	return names, err
}

// Groups returns the names of the groups that have anything in the store, in
// order.
func (s *Store) Groups(ctx context.Context) ([]string, error) {
	done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	var names []string
	err = eachStat(s.db, []byte{statKind}, func(st Stream, _ stat) error {
		names = append(names, st.Group)
		return ctx.Err()
	})
	return slices.Compact(names), err
}
