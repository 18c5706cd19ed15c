package meter

import "time"

// FrontCounts are what a Front has counted.
type FrontCounts struct {
	Requests        uint64
	BytesIn         uint64
	BytesOut        uint64
	Open            int64 // connections of clients now
	Opened          uint64
	Rejected        uint64
	TLSErrors       uint64
	Codes           [6]uint64      // of the balancer's own answers, by their hundred
	ByCode          map[int]uint64 // of those in Own; others are left out
	Fixed           uint64         // answers that a rule said
	Redirects       uint64
	LongRedirects   uint64 // that were too long
	GRPC            uint64 // requests
	Desync          uint64 // requests that others may read differently
	TransformErrors uint64 // requests that couldn't be rewritten
}

// Read adds up what was counted.
func (f *Front) Read() FrontCounts {
	c := FrontCounts{
		Open: f.Open.Load(), Opened: f.Opened.Load(), Rejected: f.Rejected.Load(), TLSErrors: f.Unsecure.Load(), ByCode: map[int]uint64{},
	}
	for i := range f.shards {
		s := &f.shards[i]
		c.Requests += s.requests.Load()
		c.BytesIn += s.in.Load()
		c.BytesOut += s.out.Load()
		c.Fixed += s.fixed.Load()
		c.Redirects += s.redirects.Load()
		c.LongRedirects += s.long.Load()
		c.GRPC += s.grpc.Load()
		c.Desync += s.desync.Load()
		c.TransformErrors += s.transform.Load()
		for k := range s.codes {
			c.Codes[k] += s.codes[k].Load()
		}
		for k, code := range Own {
			if n := s.own[k].Load(); n > 0 {
				c.ByCode[code] += n
			}
		}
	}
	return c
}

// GroupCounts are what a Group has counted.
type GroupCounts struct {
	Requests  uint64
	Refused   uint64    // connections that couldn't be made
	TLSErrors uint64    // connections on which TLS couldn't be agreed on
	Codes     [6]uint64 // of the targets' answers, by their hundred
	Times     Times     // until the answers began
}

// Times is how many times fell into each bucket, and how long they are together.
type Times struct {
	Sum     time.Duration
	Buckets [Buckets]uint64
}

// Count is how many times there are.
func (t *Times) Count() (n uint64) {
	for _, b := range t.Buckets {
		n += b
	}
	return n
}

// Quantile returns a time that the share q of all doesn't pass, as exactly as the buckets know it; 0 when there is none.
func (t *Times) Quantile(q float64) time.Duration {
	left := uint64(q * float64(t.Count()))
	for i, n := range t.Buckets {
		if n > 0 && left <= n {
			from, to := Bounds(i)
			return from + (to-from)/2
		}
		left -= min(left, n)
	}
	return 0
}

// Read adds up what was counted.
func (g *Group) Read() GroupCounts {
	var c GroupCounts
	for i := range g.shards {
		s := &g.shards[i]
		c.Requests += s.requests.Load()
		c.Refused += s.refused.Load()
		c.TLSErrors += s.unsecure.Load()
		c.Times.Sum += time.Duration(s.times.sum.Load())
		for k := range s.codes {
			c.Codes[k] += s.codes[k].Load()
		}
		for k := range s.times.buckets {
			c.Times.Buckets[k] += s.times.buckets[k].Load()
		}
	}
	return c
}
