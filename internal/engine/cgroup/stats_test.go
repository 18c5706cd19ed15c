package cgroup

import (
	"maps"
	"testing"

	"github.com/skylift/skylift/internal/engine"
)

func TestInterfaces(t *testing.T) {
	t.Parallel()
	got := interfaces(`Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1      1    0    0    0     0          0         0        1       1    0    0    0     0       0          0
  eth1: 1500     10    1    2    0     0          0         0     3000      20    3    4    0     0       0          0
`)
	want := map[string]engine.NetworkStats{"eth1": {
		RxBytes: 1500, RxPackets: 10, RxErrors: 1, RxDropped: 2, TxBytes: 3000, TxPackets: 20, TxErrors: 3, TxDropped: 4,
	}}
	if !maps.Equal(got, want) {
		t.Errorf("interfaces %+v, want %+v", got, want)
	}
}
