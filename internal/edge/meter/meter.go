// Package meter counts what a load balancer does. Counting takes no lock.
package meter

import "sync/atomic"

// Target counts what a target did.
type Target struct {
	Requests atomic.Uint64 // that it was sent
	Failed   atomic.Uint64 // that it answered with 5xx, or that couldn't be sent
}
