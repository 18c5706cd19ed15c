package route

import (
	"crypto/sha256"
	"math/rand/v2"
	"time"

	"github.com/skylift/skylift/internal/edge/cookie"
	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/edge/target"
)

// Forward chooses a pool by weight, or that which the client had before.
type Forward struct {
	pools  []weighted
	total  uint64
	sticky time.Duration // 0: a client has no pool of its own
}

type weighted struct {
	pool *target.Pool
	name [8]byte // in cookies
	upTo uint64  // the sum of the weights so far
}

// nameOf is what a pool is called in cookies.
func nameOf(pool string) (name [8]byte) {
	sum := sha256.Sum256([]byte(pool))
	copy(name[:], sum[:])
	return name
}

func newForward(said *table.Forward, pool func(id string) *target.Pool) *Forward {
	f := &Forward{sticky: said.Sticky}
	for _, w := range said.Pools {
		if p := pool(w.Pool); p != nil && w.Weight >= 0 {
			f.total += uint64(w.Weight)
			f.pools = append(f.pools, weighted{p, nameOf(w.Pool), f.total})
		}
	}
	return f
}

// Choice is the pool of a request.
type Choice struct {
	Pool   *target.Pool // nil: there is none
	name   [8]byte
	sticky time.Duration
	asked  bool // the client sent the application's cookie, and ours for it
	// Invalid says that the client's cookie for a pool can't be read, or names none.
	Invalid bool
}

// Choose chooses the pool of a request. A client that has one stays with it,
// whatever its weight.
func (f *Forward) Choose(fields []http1.Field, keys *cookie.Keys) Choice {
	invalid := false
	if f.sticky > 0 {
		w, bad := f.had(fields, keys)
		if w != nil {
			return Choice{Pool: w.pool, name: w.name, sticky: f.sticky}
		}
		invalid = bad
	}
	if f.total == 0 {
		return Choice{Invalid: invalid}
	}
	var n uint64
	if len(f.pools) > 1 {
		n = rand.Uint64N(f.total)
	}
	for i := range f.pools {
		if w := &f.pools[i]; n < w.upTo {
			return Choice{Pool: w.pool, name: w.name, sticky: f.sticky, Invalid: invalid}
		}
	}
	return Choice{Invalid: invalid}
}

// had returns the pool that the client's cookie names, nil if there is none, and
// whether that is because it can't be read.
func (f *Forward) had(fields []http1.Field, keys *cookie.Keys) (w *weighted, invalid bool) {
	value := cookie.Find(fields, cookie.Group)
	if value == nil {
		return nil, false
	}
	var room [8]byte
	name, _, ok := keys.Open(room[:0], cookie.Group, value, time.Now())
	if !ok {
		return nil, true
	}
	for i := range f.pools {
		if string(f.pools[i].name[:]) == string(name) {
			return &f.pools[i], false
		}
	}
	return nil, false
}
