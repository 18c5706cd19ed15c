package daemon

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/limit"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	l, err := newLimits(Config{Log: slog.New(slog.DiscardHandler)}, netip.MustParsePrefix("172.31.0.0/16").Contains)
	if err != nil {
		t.Fatal(err)
	}
	if l.clients.Max() != l.budget.Clients || l.api.Max() != l.budget.API || l.metadata.Max() != l.budget.Metadata {
		t.Errorf("bounds %d, %d, %d of %+v", l.clients.Max(), l.api.Max(), l.metadata.Max(), l.budget)
	}
	l.budget.Files = 1 << 20
	if p := l.problems(false); len(p) != 0 {
		t.Errorf("problems at first: %q", p)
	}
	if p := l.problems(true); len(p) != 1 || !strings.Contains(p[0], "503") {
		t.Errorf("problems of this machine: %q", p)
	}
	l.budget.Files = limit.Few - 1
	if p := l.problems(false); len(p) != 1 || !strings.Contains(p[0], "few files") || !strings.Contains(p[0], "4095") || !strings.Contains(p[0], "LimitNOFILE") {
		t.Errorf("problems with few files: %q", p)
	}
	l.budget.Files = 3
	if p := l.problems(false); len(p) != 2 || !strings.Contains(p[1], "files are open") {
		t.Errorf("problems with too few files: %q", p)
	}
}

// busy is a connection that can't be cut.
type busy struct{ _ int }

func (*busy) Resting() (int64, bool) { return 0, false }
func (*busy) Cut() bool              { return false }

// A task, which has its address in the VPC, has fewer connections than others.
func TestTasksHaveFewer(t *testing.T) {
	t.Parallel()
	l, err := newLimits(Config{Log: slog.New(slog.DiscardHandler)}, netip.MustParsePrefix("172.31.0.0/16").Contains)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		to   *limit.Conns
		want int
	}{
		"clients":  {l.clients, limit.PerTask(l.budget.Clients)},
		"api":      {l.api, limit.PerTask(l.budget.API)},
		"metadata": {l.metadata, 32},
	} {
		had := 0
		for c.to.Enter(nil, new(busy), netip.MustParseAddr("172.31.9.9")) == nil {
			had++
		}
		if had != c.want {
			t.Errorf("%s: a task had %d, want %d", name, had, c.want)
		}
		if err := c.to.Enter(nil, new(busy), netip.MustParseAddr("172.31.9.10")); err != nil {
			t.Errorf("%s: another task: %v", name, err)
		}
	}
}

func TestOwnFault(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]bool{
		"Error response from daemon: received unexpected HTTP status: 503 Service Unavailable":                                                true,
		"Error response from daemon: unavailable: the registry has too many requests, or lacks file descriptors: try again":                   true,
		`Error response from daemon: Get "http://127.0.0.1:4566/v2/": dial tcp 127.0.0.1:4566: connect: connection refused`:                   true,
		`Error response from daemon: Head "http://127.0.0.1:4566/v2/shop/manifests/v1": read tcp 127.0.0.1:1: read: connection reset by peer`: true,
		"Error response from daemon: manifest for 127.0.0.1:4566/shop@sha256:1 not found: manifest unknown: manifest unknown":                 false,
		"Error response from daemon: no matching manifest for linux/amd64 in the manifest list entries":                                       false,
		"Error response from daemon: write /var/lib/docker/tmp/GetImageBlob1: no space left on device":                                        false,
	} {
		if got := ownFault(reason); got != want {
			t.Errorf("%s: %v, want %v", reason, got, want)
		}
	}
}

// Tasks are where the VPCs are, as they come and go.
func TestTaskRanges(t *testing.T) {
	t.Parallel()
	var r taskRanges
	first, second := netip.MustParseAddr("172.31.9.9"), netip.MustParseAddr("10.20.0.4")
	if r.contain(first) {
		t.Error("an address is a task's before there is a VPC")
	}
	r.set([]netip.Prefix{netip.MustParsePrefix("172.31.0.0/16"), netip.MustParsePrefix("10.20.0.0/16")})
	if !r.contain(first) || !r.contain(second) || r.contain(netip.MustParseAddr("127.0.0.1")) {
		t.Error("the ranges of two VPCs are others")
	}
	r.set([]netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")})
	if !r.contain(first) || r.contain(second) {
		t.Error("a VPC that went still has tasks")
	}
}
