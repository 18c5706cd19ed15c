package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(2)
		soon := time.Now().Add(time.Second)
		for range 2 {
			if !g.Enter(soon) {
				t.Fatal("no place at an empty gate")
			}
		}
		if began := time.Now(); g.Enter(soon) || time.Since(began) != time.Second {
			t.Errorf("a third got a place, or waited %v", time.Since(began))
		}
		go func() {
			time.Sleep(time.Second)
			g.Leave()
		}()
		if began := time.Now(); !g.Enter(began.Add(time.Minute)) || time.Since(began) != time.Second {
			t.Errorf("nobody got the place that was given back, after %v", time.Since(began))
		}
	})
}
