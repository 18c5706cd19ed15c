package attach

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// fakeNet keeps interfaces by owner. The answer of the call that lose counts
// down to is lost: it was done all the same.
type fakeNet struct {
	nics map[string]*nic
	made int
	lose int
}

type nic struct {
	id     string
	groups []string
}

var errLost = errors.New("the answer was lost")

func (n *fakeNet) lost() error {
	if n.lose--; n.lose == 0 {
		return errLost
	}
	return nil
}

func (n *fakeNet) CreateInterface(_ context.Context, r attach.Request) (attach.Made, error) {
	i := n.nics[r.Owner]
	if i == nil {
		n.made++
		i = &nic{fmt.Sprint("eni-", n.made), r.Groups}
		n.nics[r.Owner] = i
	}
	return attach.Made{ID: i.id, Addr: netip.AddrFrom4([4]byte{172, 31, 0, byte(n.made)})}, n.lost()
}

func (n *fakeNet) DeleteInterface(_ context.Context, id string) error {
	maps.DeleteFunc(n.nics, func(_ string, i *nic) bool { return i.id == id })
	return n.lost()
}

func (n *fakeNet) SetInterfaceGroups(_ context.Context, id string, groups []string) error {
	for _, i := range n.nics {
		if i.id == id {
			i.groups = groups
			return n.lost()
		}
	}
	return fmt.Errorf("no interface %s", id)
}

// TestInterfacesSurviveLostAnswers takes a mount target through its life, with
// each answer lost in turn: it always has one interface, and in the end none.
func TestInterfacesSurviveLostAnswers(t *testing.T) {
	t.Parallel()
	const id = "fsmt-1"
	for lose := range 8 {
		net := &fakeNet{nics: map[string]*nic{}, lose: lose}
		db := memstore.New()
		r := attach.New(db, net, MountTargets{})
		wanted := func(m efs.MountTarget) {
			t.Helper()
			m.ID, m.FileSystem, m.Subnet = id, "fs-1", efs.Subnet{ID: "subnet-1"}
			if err := db.Update(t.Context(), func(tx store.Tx) error { return efs.MountTargets.Put(tx, id, m) }); err != nil {
				t.Fatal(err)
			}
			for {
				_, err := r.Reconcile(t.Context(), id)
				if err == nil {
					return
				}
				if !errors.Is(err, errLost) {
					t.Fatalf("lose %d: %v", lose, err)
				}
			}
		}
		for _, groups := range [][]string{{"sg-1"}, {"sg-2", "sg-3"}} {
			wanted(efs.MountTarget{Groups: groups})
			if len(net.nics) != 1 || net.nics["efs/"+id] == nil {
				t.Fatalf("lose %d: interfaces %v", lose, net.nics)
			}
			var at efs.Attachment
			err := db.View(t.Context(), func(tx store.Tx) (err error) {
				at, err = efs.Attachments.Get(tx, id)
				return err
			})
			want := efs.Attachment{MountTarget: id, ID: "eni-1", Addr: netip.AddrFrom4([4]byte{172, 31, 0, 1}), Groups: groups}
			if diff := cmp.Diff(want, at, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); err != nil || diff != "" {
				t.Errorf("lose %d: %v (-want +got):\n%s", lose, err, diff)
			}
			if diff := cmp.Diff(groups, net.nics["efs/"+id].groups); diff != "" {
				t.Errorf("lose %d: groups (-want +got):\n%s", lose, diff)
			}
		}
		wanted(efs.MountTarget{Deleted: true})
		gone(t, db, net, lose)
	}
}

// gone checks that nothing is left of the mount target.
func gone(t *testing.T, db store.DB, net *fakeNet, lose int) {
	t.Helper()
	err := db.View(t.Context(), func(tx store.Tx) error {
		targets, err := efs.MountTargets.List(tx, "")
		if err != nil {
			return err
		}
		left, err := efs.Attachments.List(tx, "")
		if len(targets)+len(left)+len(net.nics) > 0 {
			t.Errorf("lose %d: left %v %v %v", lose, targets, left, net.nics)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A mount target that was deleted before its interface's id was written.
func TestAnInterfaceThatNobodyKnowsIsRemoved(t *testing.T) {
	t.Parallel()
	net := &fakeNet{nics: map[string]*nic{}, lose: 1}
	db := memstore.New()
	r := attach.New(db, net, MountTargets{})
	put := func(m efs.MountTarget) {
		t.Helper()
		if err := db.Update(t.Context(), func(tx store.Tx) error { return efs.MountTargets.Put(tx, "fsmt-1", m) }); err != nil {
			t.Fatal(err)
		}
	}
	put(efs.MountTarget{ID: "fsmt-1", FileSystem: "fs-1"})
	if _, err := r.Reconcile(t.Context(), "fsmt-1"); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	put(efs.MountTarget{ID: "fsmt-1", FileSystem: "fs-1", Deleted: true})
	if _, err := r.Reconcile(t.Context(), "fsmt-1"); err != nil {
		t.Fatal(err)
	}
	gone(t, db, net, 1)
	put(efs.MountTarget{ID: "fsmt-1", FileSystem: "fs-1", Deleted: true})
	if _, err := r.Reconcile(t.Context(), "fsmt-1"); err != nil {
		t.Fatal(err)
	}
	gone(t, db, net, 1)
	if net.made != 1 {
		t.Errorf("%d interfaces were made", net.made)
	}
}
