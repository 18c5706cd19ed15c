package secure

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// How long tickets are given out under a key, and how many keys are known: a session
// is resumed for a week at most.
const (
	turnEvery = 24 * time.Hour
	known     = 7
)

const keySize = 32

// Tickets is the secret of session tickets. Each listener has keys of its own made of
// it, so that a ticket of one is nothing to another. The secret is nowhere but in
// memory: who has the machine's disk can't read what was sent before.
type Tickets struct {
	mu     sync.Mutex
	roots  [][keySize]byte // the newest first
	turned time.Time
}

// NewTickets makes a secret.
func NewTickets(now time.Time) *Tickets {
	t := &Tickets{}
	t.Turn(now)
	return t
}

// Turn makes a new root when the newest is old enough, and tells whether it did. The
// servers then take the new keys.
func (t *Tickets) Turn(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.roots) > 0 && now.Sub(t.turned) < turnEvery {
		return false
	}
	var fresh [keySize]byte
	rand.Read(fresh[:]) // never fails, by its contract
	t.roots = append([][keySize]byte{fresh}, t.roots[:min(len(t.roots), known-1)]...)
	t.turned = now
	return true
}

// keys returns those of a listener, the newest first.
func (t *Tickets) keys(listener string) [][keySize]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([][keySize]byte, len(t.roots))
	for i, root := range t.roots {
		key, err := hkdf.Key(sha256.New, root[:], nil, "ticket "+listener, keySize)
		if err != nil {
			panic(err) // the size is below HKDF's bound
		}
		copy(out[i][:], key)
	}
	return out
}
