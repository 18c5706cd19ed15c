package dns

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// rate bounds how many like answers a network is sent each second, so that nobody is flooded with answers to questions that
// others asked in its name. Its memory is bounded: networks that fall into one bucket take turns in it.
type rate struct {
	seed    maphash.Seed
	buckets [buckets]bucket
}

const (
	buckets = 1 << 14
	// perSecond is how many answers of one kind a network gets.
	perSecond = 200
	// slip is how many answers are left out for each that is cut short: a client that is really there asks over TCP then.
	slip = 2
)

type bucket struct {
	mu     sync.Mutex
	hash   uint64
	second int64
	count  int
}

func newRate() *rate { return &rate{seed: maphash.MakeSeed()} }

// verdict is what becomes of an answer.
type verdict int

const (
	send verdict = iota
	cut
	drop
)

// judge decides about an answer of a kind to an address. What is of this machine can't be forged by others.
func (r *rate) judge(to netip.Addr, kind string, now time.Time) verdict {
	if to.IsLoopback() {
		return send
	}
	bits := 24
	if to.Is6() {
		bits = 56
	}
	network, err := to.Prefix(bits)
	if err != nil {
		return drop
	}
	var h maphash.Hash
	h.SetSeed(r.seed)
	addr := network.Addr().As16()
	h.Write(addr[:])
	h.WriteString(kind)
	sum := h.Sum64()
	b := &r.buckets[sum%buckets]
	b.mu.Lock()
	defer b.mu.Unlock()
	if second := now.Unix(); b.hash != sum || b.second != second {
		b.hash, b.second, b.count = sum, second, 0
	}
	b.count++
	switch {
	case b.count <= perSecond:
		return send
	case b.count%slip == 0:
		return cut
	}
	return drop
}
