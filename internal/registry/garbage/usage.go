package garbage

import (
	"sync"
	"time"
)

// Usage remembers when a client last sent a blob, or was told that it is there. A
// push that relies on the blob may follow.
type Usage struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// Touch notes that blobs are in use.
func (u *Usage) Touch(digests ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[string]time.Time{}
	}
	for _, d := range digests {
		u.last[d] = time.Now()
	}
}

// unused runs remove unless the blob was touched since the given time. A touch
// waits for it, so that no client relies on a blob that is being removed.
func (u *Usage) unused(dgst string, since time.Time, remove func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last[dgst].After(since) {
		return nil
	}
	delete(u.last, dgst)
	return remove()
}

// Forget drops what is too old to matter.
func (u *Usage) Forget(since time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for d, t := range u.last {
		if !t.After(since) {
			delete(u.last, d)
		}
	}
}
