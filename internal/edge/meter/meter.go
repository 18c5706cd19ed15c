// Package meter counts what a load balancer does. Counting takes no lock.
//
// What many requests count at once stands in shards, of which a connection has one: two
// cores don't fight for a line of cache. Counters only go up, but for those of what is
// there now. Who reads them adds up the shards.
package meter

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Target counts what a target did.
type Target struct {
	Requests atomic.Uint64 // that it was sent
	Failed   atomic.Uint64 // that it answered with 5xx, or that couldn't be sent
	codes    [6]atomic.Uint64
	Refused  atomic.Uint64 // connections that couldn't be made
	Unsecure atomic.Uint64 // that failed to agree on TLS
	Opened   atomic.Uint64 // connections
	Open     atomic.Int64  // connections now
	time     atomic.Int64  // until its answers began, in nanoseconds
}

// Answered counts an answer and how long it took to begin.
func (t *Target) Answered(status int, took time.Duration) {
	t.codes[class(status)].Add(1)
	t.time.Add(int64(took))
}

// Codes returns how many answers there were of each hundred: [2] is 2xx.
func (t *Target) Codes() (out [6]uint64) {
	for i := range t.codes {
		out[i] = t.codes[i].Load()
	}
	return out
}

// Time is how long the target took to answer, in all.
func (t *Target) Time() time.Duration { return time.Duration(t.time.Load()) }

// class is the hundred of a status; 0: none.
func class(status int) int {
	if status < 100 || status > 599 {
		return 0
	}
	return status / 100
}

// Shards is how many parts counters have that many count at once: a power of two.
var Shards = func() int {
	n := 1
	for n < runtime.GOMAXPROCS(0) && n < 8 {
		n *= 2
	}
	return n
}()

// Own are the codes of a balancer's own answers that are counted each by itself.
var Own = [...]int{460, 463, 464, 500, 502, 503, 504, 561}

// Front counts what a balancer did in a zone.
type Front struct {
	Opened, Rejected atomic.Uint64 // connections of clients
	Open             atomic.Int64  // connections of clients now
	Unsecure         atomic.Uint64 // handshakes that failed
	shards           []frontShard
}

// frontShard is a part of a Front: whole lines of cache.
type frontShard struct {
	requests, in, out       atomic.Uint64
	codes                   [6]atomic.Uint64 // of its own answers
	own                     [len(Own)]atomic.Uint64
	fixed, redirects, long  atomic.Uint64
	grpc, desync, transform atomic.Uint64
	_                       [8]uint64
}

// NewFront returns counters that stand at nothing.
func NewFront() *Front { return &Front{shards: make([]frontShard, Shards)} }

// Request is what is counted of a request when it is over.
type Request struct {
	In, Out                 int64 // bytes
	Own                     int   // the status that the balancer answered with by itself; 0: a target answered
	Fixed, Redirect         bool  // so did a rule say
	GRPC, Desync, Transform bool  // it was a call of gRPC, could be read in two ways, couldn't be rewritten
}

// Count counts a request in a shard, which any number may name.
func (f *Front) Count(shard uint32, r *Request) {
	s := &f.shards[int(shard)&(len(f.shards)-1)]
	s.requests.Add(1)
	s.in.Add(uint64(r.In))
	s.out.Add(uint64(r.Out))
	if r.GRPC {
		s.grpc.Add(1)
	}
	if r.Desync {
		s.desync.Add(1)
	}
	if r.Own == 0 {
		return
	}
	s.codes[class(r.Own)].Add(1)
	for i, code := range Own {
		if code == r.Own {
			s.own[i].Add(1)
		}
	}
	switch {
	case r.Fixed:
		s.fixed.Add(1)
	case r.Redirect && r.Own == 507:
		s.long.Add(1)
	case r.Redirect:
		s.redirects.Add(1)
	case r.Transform:
		s.transform.Add(1)
	}
}

// Group counts what the targets of a group did for requests of a zone.
type Group struct {
	shards []groupShard
}

type groupShard struct {
	requests, refused, unsecure atomic.Uint64
	codes                       [6]atomic.Uint64
	times                       histogram
	_                           [8]uint64
}

// NewGroup returns counters that stand at nothing.
func NewGroup() *Group { return &Group{shards: make([]groupShard, Shards)} }

func (g *Group) shard(n uint32) *groupShard { return &g.shards[int(n)&(len(g.shards)-1)] }

// Request counts a request for which a target was chosen.
func (g *Group) Request(shard uint32) { g.shard(shard).requests.Add(1) }

// Refused counts a connection that couldn't be made, or on which TLS couldn't be agreed on.
func (g *Group) Refused(shard uint32, secure bool) {
	if secure {
		g.shard(shard).unsecure.Add(1)
	} else {
		g.shard(shard).refused.Add(1)
	}
}

// Answered counts an answer and how long it took to begin.
func (g *Group) Answered(shard uint32, status int, took time.Duration) {
	s := g.shard(shard)
	s.codes[class(status)].Add(1)
	s.times.add(took)
}
