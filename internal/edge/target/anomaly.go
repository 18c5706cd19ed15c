package target

import (
	"github.com/skylift/skylift/internal/edge/check"
	"github.com/skylift/skylift/internal/edge/table"
)

const (
	judged    = 3         // looks that count
	minFailed = 3         // failures that make a target suspicious
	minTrust  = full / 16 // what is left to a target that fails
)

// record is how a target did between two looks.
type record struct{ requests, failed uint64 }

func (r record) rate() float64 { return float64(r.failed) / float64(max(1, r.requests)) }

// history is how a target did of late. Only Tick uses it.
type history struct {
	seen record         // up to the last look
	last [judged]record // between looks
	at   int
}

// look returns how the target did during the last looks.
func (t *Target) look() record {
	now := record{t.Meter.Requests.Load(), t.Meter.Failed.Load()}
	h := &t.history
	h.last[h.at] = record{now.requests - h.seen.requests, now.failed - h.seen.failed}
	h.seen, h.at = now, (h.at+1)%judged
	var sum record
	for _, r := range h.last {
		sum.requests, sum.failed = sum.requests+r.requests, sum.failed+r.failed
	}
	return sum
}

// judge finds out which of three or more healthy targets fail more often than the
// others. Such a target gets fewer requests at each look, if the pool says so, but
// always some, and gets them back when it does better.
func (p *Pool) judge(u *usable) {
	var healthy []*Target
	var each []record
	var all record
	for _, t := range u.all {
		r := t.look()
		if t.healthState() == check.Healthy {
			healthy, each = append(healthy, t), append(each, r)
			all.requests, all.failed = all.requests+r.requests, all.failed+r.failed
		}
	}
	for i, t := range healthy {
		r := each[i]
		peers := record{all.requests - r.requests, all.failed - r.failed}
		t.judge(len(healthy) >= 3 && anomalous(r, peers), u.mitigate && u.algorithm == table.WeightedRandom)
	}
}

// anomalous tells whether a target fails more often than its peers.
func anomalous(r, peers record) bool {
	return r.failed >= minFailed && peers.requests > 0 && r.rate() > 3*peers.rate() && r.rate()-peers.rate() > 0.05
}

func (t *Target) judge(anomalous, mitigate bool) {
	trust := t.trust.Load()
	if anomalous && mitigate {
		t.trust.Store(max(minTrust, trust/2))
	} else {
		t.trust.Store(min(full, trust*2))
	}
	was := t.anomalous.Swap(anomalous)
	if was != anomalous || (trust < full) != (t.trust.Load() < full) {
		t.set.hub.publish(t)
	}
}
