package logstore

import (
	"slices"
	"sync"
	"sync/atomic"
)

// followers are told what is stored.
type followers struct {
	n    atomic.Int32 // how many there are
	mu   sync.Mutex
	list []*follower
}

type follower struct {
	groups []string
	tell   func(Stream, []Event)
}

// stored is what a commit adds to a stream.
type stored struct {
	stream Stream
	events []Event
}

// Follow calls tell with the events that are appended to groups from now on, when they are on disk and in the order in which they are stored, until
// stop is called. Tell holds up the writing of events: it must not wait, and must not change what it gets. The events have no ID.
func (s *Store) Follow(groups []string, tell func(Stream, []Event)) (stop func()) {
	f := &follower{slices.Clone(groups), tell}
	s.follow.mu.Lock()
	defer s.follow.mu.Unlock()
	s.follow.list = append(s.follow.list, f)
	s.follow.n.Add(1)
	return sync.OnceFunc(func() {
		s.follow.mu.Lock()
		defer s.follow.mu.Unlock()
		s.follow.list = slices.DeleteFunc(s.follow.list, func(other *follower) bool { return other == f })
		s.follow.n.Add(-1)
	})
}

// some says whether anybody follows.
func (f *followers) some() bool { return f.n.Load() > 0 }

func (f *followers) tell(all []stored) {
	if len(all) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, one := range f.list {
		for _, s := range all {
			if slices.Contains(one.groups, s.stream.Group) {
				one.tell(s.stream, s.events)
			}
		}
	}
}
