package attach

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// fakeNet keeps interfaces by owner. It fails its next calls when told to: a
// create that fails has made the interface all the same.
type fakeNet struct {
	mu    sync.Mutex
	byKey map[string]*nic
	made  int
	fail  int
}

type nic struct {
	id     string
	groups []string
}

var errLost = errors.New("the answer was lost")

func (n *fakeNet) lost() error {
	if n.fail > 0 {
		n.fail--
		return errLost
	}
	return nil
}

func (n *fakeNet) CreateInterface(_ context.Context, r attach.Request) (attach.Made, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := n.byKey[r.Owner]
	if i == nil {
		n.made++
		i = &nic{fmt.Sprintf("eni-%d", n.made), r.Groups}
		n.byKey[r.Owner] = i
	}
	return attach.Made{ID: i.id, Addr: netip.AddrFrom4([4]byte{172, 31, 0, byte(n.made)})}, n.lost()
}

func (n *fakeNet) DeleteInterface(_ context.Context, id string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.byKey, func(_ string, i *nic) bool { return i.id == id })
	return n.lost()
}

func (n *fakeNet) SetInterfaceGroups(_ context.Context, id string, groups []string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, i := range n.byKey {
		if i.id == id {
			i.groups = groups
			return n.lost()
		}
	}
	return fmt.Errorf("no interface %s", id)
}

// owned returns the owners of interfaces, with their groups.
func (n *fakeNet) owned() map[string][]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make(map[string][]string)
	for k, i := range n.byKey {
		out[k] = i.groups
	}
	return out
}

func balancer(groups []string, subnets ...string) *elbv2.LoadBalancer {
	lb := &elbv2.LoadBalancer{ARN: "lb", Groups: groups}
	for _, s := range subnets {
		lb.Subnets = append(lb.Subnets, elbv2.Subnet{ID: s})
	}
	return lb
}

func write(t *testing.T, db store.DB, lb *elbv2.LoadBalancer) {
	t.Helper()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		if lb == nil {
			return elbv2.LoadBalancers.Delete(tx, "lb")
		}
		return elbv2.LoadBalancers.Put(tx, lb.ARN, *lb)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run runs the loop until it has nothing left to do, and ends it.
func run(t *testing.T, db store.DB, net *fakeNet) {
	ctx, cancel := context.WithCancel(t.Context())
	r := attach.New(db, net, Balancers{})
	done := make(chan error)
	go func() { done <- reconcile.New("attach", r, reconcile.Options{}, r.Sources()...).Run(ctx) }()
	synctest.Wait()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("the loop ended with %v", err)
	}
}

func TestInterfacesFollowTheBalancer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, net := memstore.New(), &fakeNet{byKey: make(map[string]*nic)}
		for _, step := range []struct {
			name string
			lb   *elbv2.LoadBalancer
			fail int // calls whose answers are lost before this run of the program ends
			want map[string][]string
		}{
			{"created", balancer([]string{"sg-1"}, "a", "b"), 0, map[string][]string{"lb#a": {"sg-1"}, "lb#b": {"sg-1"}}},
			{"other groups", balancer([]string{"sg-2", "sg-3"}, "a", "b"), 0, map[string][]string{"lb#a": {"sg-2", "sg-3"}, "lb#b": {"sg-2", "sg-3"}}},
			{"other subnets", balancer([]string{"sg-2"}, "b", "c"), 0, map[string][]string{"lb#b": {"sg-2"}, "lb#c": {"sg-2"}}},
			{"created as it crashed", balancer([]string{"sg-2"}, "b", "c", "d"), 2, map[string][]string{"lb#b": {"sg-2"}, "lb#c": {"sg-2"}, "lb#d": {"sg-2"}}},
			{"deleted", nil, 0, map[string][]string{}},
			{"created again", balancer([]string{"sg-1"}, "a"), 9, map[string][]string{"lb#a": {"sg-1"}}},
			{"deleted before that was known", nil, 0, map[string][]string{}},
		} {
			write(t, db, step.lb)
			net.fail = step.fail
			run(t, db, net)
			if step.fail < 9 { // else it comes to the next step without having heard
				net.fail = 0
				run(t, db, net)
			}
			if diff := cmp.Diff(step.want, net.owned()); diff != "" {
				t.Errorf("%s: interfaces (-want +got):\n%s", step.name, diff)
			}
			net.fail = 0
		}
		err := db.View(t.Context(), func(tx store.Tx) error {
			left, err := elbv2.Interfaces.List(tx, "")
			if len(left) > 0 {
				t.Errorf("records left: %v", left)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestRecordSaysWhatTheInterfaceIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, net := memstore.New(), &fakeNet{byKey: make(map[string]*nic)}
		write(t, db, balancer([]string{"sg-1"}, "a"))
		run(t, db, net)
		err := db.View(t.Context(), func(tx store.Tx) error {
			i, err := elbv2.Interfaces.Get(tx, elbv2.InterfaceKey("lb", "a"))
			if i.ID != "eni-1" || i.Addr.String() != "172.31.0.1" || !slices.Equal(i.Groups, []string{"sg-1"}) {
				t.Errorf("record: %+v", i)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
