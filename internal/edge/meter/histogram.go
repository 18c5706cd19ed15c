package meter

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// steps is how many buckets a doubling has, as a power of two.
const steps = 2

// Buckets is how many buckets the histogram of times has: four for each doubling, from a
// microsecond to more than two hours. So a time is known to an eighth.
const Buckets = (33-steps)<<steps + 1<<steps

// histogram counts times in fixed buckets.
type histogram struct {
	sum     atomic.Int64 // of the times, in nanoseconds
	buckets [Buckets]atomic.Uint64
}

func (h *histogram) add(took time.Duration) {
	h.sum.Add(int64(took))
	h.buckets[bucketOf(took)].Add(1)
}

// bucketOf finds a time's bucket: its microseconds' highest bits.
func bucketOf(took time.Duration) int {
	us := uint64(max(0, took.Microseconds()))
	if us < 1<<steps {
		return int(us)
	}
	shift := bits.Len64(us) - 1 - steps
	return min(Buckets-1, (shift+1)<<steps+int(us>>shift)-1<<steps)
}

// Bounds returns the times that fall into a bucket: from the first on, and less than the second.
func Bounds(bucket int) (from, to time.Duration) { return bound(bucket), bound(bucket + 1) }

func bound(bucket int) time.Duration {
	if bucket < 1<<steps {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := bucket>>steps - 1
	return time.Duration(uint64(1<<steps+bucket&(1<<steps-1))<<shift) * time.Microsecond
}
