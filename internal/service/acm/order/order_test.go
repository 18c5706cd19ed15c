package order

import (
	"testing"
	"time"
)

// TestPause leaves an authority alone for longer and longer: five times in an hour at most.
func TestPause(t *testing.T) {
	var at time.Duration
	tries := 0
	for ; at < time.Hour; tries++ {
		at += Pause(tries)
	}
	if tries > 5 || Pause(1000) != time.Hour {
		t.Errorf("%d tries in an hour, and later each %s", tries, Pause(1000))
	}
}
