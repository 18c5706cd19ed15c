package limit

import "time"

// Gate bounds how many do something at once. Others wait in turn.
type Gate struct{ places chan struct{} }

// NewGate returns a gate with n places.
func NewGate(n int) *Gate { return &Gate{make(chan struct{}, n)} }

// Enter takes a place, and waits for one until then at most. Each Enter that succeeds
// is followed by a Leave.
func (g *Gate) Enter(until time.Time) bool {
	select {
	case g.places <- struct{}{}:
		return true
	default:
	}
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	select {
	case g.places <- struct{}{}:
		return true
	case <-over.C:
		return false
	}
}

// Leave gives the place back.
func (g *Gate) Leave() { <-g.places }
