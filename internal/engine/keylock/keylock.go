// Package keylock has a mutex for each key, which is there while somebody uses it.
package keylock

import "sync"

// Locks are mutexes by key. The zero value is ready.
type Locks struct {
	mu   sync.Mutex
	held map[string]*mutex
}

type mutex struct {
	sync.Mutex
	users int
}

// Lock waits for key and returns its unlock.
func (l *Locks) Lock(key string) (unlock func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = make(map[string]*mutex)
	}
	m := l.held[key]
	if m == nil {
		m = &mutex{}
		l.held[key] = m
	}
	m.users++
	l.mu.Unlock()
	m.Lock()
	return func() {
		m.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if m.users--; m.users == 0 {
			delete(l.held, key)
		}
	}
}
