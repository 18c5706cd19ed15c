package meter

import (
	"sync"
	"testing"
	"time"
)

// TestBuckets: each time falls into the bucket whose bounds it is within, and buckets are an eighth apart on either side of their middle.
func TestBuckets(t *testing.T) {
	t.Parallel()
	last := -1
	for took := time.Duration(0); took < 2*time.Hour; took += took/7 + time.Microsecond {
		i := bucketOf(took)
		from, to := Bounds(i)
		if took < from || took >= to || i < last {
			t.Fatalf("%s is in bucket %d from %s to %s, behind %d", took, i, from, to, last)
		}
		if took > 8*time.Microsecond && to-from > from/4 {
			t.Fatalf("bucket %d is from %s to %s", i, from, to)
		}
		last = i
	}
	if got := bucketOf(1 << 62); got != Buckets-1 {
		t.Errorf("the longest time is in bucket %d of %d", got, Buckets)
	}
	if got := bucketOf(-1); got != 0 {
		t.Errorf("a clock that was set back: %d", got)
	}
}

// TestCounters: shards add up, whoever counts at once.
func TestCounters(t *testing.T) {
	t.Parallel()
	f, g := NewFront(), NewGroup()
	zones := NewZones(NewGroup)
	var all sync.WaitGroup
	for i := range uint32(16) {
		all.Go(func() {
			for range 100 {
				f.Count(i, &Request{In: 2, Out: 3, Own: 504})
				f.Count(i, &Request{Own: 302, Redirect: true, Desync: true})
				f.Count(i, &Request{Own: 507, Redirect: true})
				f.Count(i, &Request{Own: 200, Fixed: true})
				f.Count(i, &Request{GRPC: true})
				g.Request(i)
				g.Answered(i, 201, time.Millisecond)
				g.Refused(i, i%2 == 0)
				zones.In([]string{"a", "b"}[i%2]).Request(i)
			}
		})
	}
	all.Wait()
	got := f.Read()
	if got.Requests != 8000 || got.BytesIn != 3200 || got.BytesOut != 4800 || got.Codes != [6]uint64{2: 1600, 3: 1600, 5: 3200} || got.ByCode[504] != 1600 || len(got.ByCode) != 1 ||
		got.Fixed != 1600 || got.Redirects != 1600 || got.LongRedirects != 1600 || got.GRPC != 1600 || got.Desync != 1600 {
		t.Errorf("got %+v", got)
	}
	group := g.Read()
	if group.Requests != 1600 || group.Codes != [6]uint64{2: 1600} || group.Refused != 800 || group.TLSErrors != 800 || group.Times.Sum != 1600*time.Millisecond || group.Times.Count() != 1600 {
		t.Errorf("got %d %v %d %d %s", group.Requests, group.Codes, group.Refused, group.TLSErrors, group.Times.Sum)
	}
	if q := group.Times.Quantile(0.99); q < 800*time.Microsecond || q > 1200*time.Microsecond {
		t.Errorf("the 99th percentile is %s", q)
	}
	n := 0
	zones.Each(func(zone string, g *Group) { n++; group = g.Read() })
	if n != 2 || group.Requests != 800 {
		t.Errorf("%d zones, %d requests", n, group.Requests)
	}
	if (&Times{}).Quantile(0.5) != 0 {
		t.Error("there are no times")
	}
}
