package daemon

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/vpc"
)

// TestPlaneRests: a plane that rests reads nothing, and says when to come back.
func TestPlaneRests(t *testing.T) {
	t.Parallel()
	p := &plane{rested: time.Now().Add(time.Minute)} // without a machine it would panic
	if again, err := p.Reconcile(t.Context(), host); err != nil || again <= 0 || again > time.Minute {
		t.Errorf("come back after %s, %v", again, err)
	}
}

// wires is a network that has interfaces and is told which ones go.
type wires struct {
	Network
	there    []vpc.Attached
	detached []string
}

func (w *wires) List(context.Context) ([]vpc.Attached, error) { return w.there, nil }

func (w *wires) AttachHost(context.Context, string, netip.Addr) error { return nil }

func (w *wires) Detach(_ context.Context, id string) error {
	w.detached = append(w.detached, id)
	return nil
}

// TestPlaneKeepsWhatStarts: an interface that came after the records were read is
// a task's that starts, and stays; one without a record goes.
func TestPlaneKeepsWhatStarts(t *testing.T) {
	t.Parallel()
	net := &wires{there: []vpc.Attached{{ID: "eni-new"}, {ID: "eni-old"}}}
	m := &machine{db: memstore.New()}
	m.Network = net
	err := m.db.Update(t.Context(), func(tx store.Tx) error {
		return ec2.Interfaces.Put(tx, "eni-new", ec2.Interface{ID: "eni-new"})
	})
	if err != nil {
		t.Fatal(err)
	}
	balancer := &ec2.Interface{ID: "eni-lb", Type: "load_balancer", Addr: netip.MustParseAddr("10.0.0.4")}
	if err := (&plane{m: m}).offer(t.Context(), []*ec2.Interface{balancer}); err != nil { // read before eni-new was there
		t.Fatal(err)
	}
	if want := []string{"eni-old"}; !slices.Equal(net.detached, want) {
		t.Errorf("detached %v, want %v", net.detached, want)
	}
}
