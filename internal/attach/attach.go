// Package attach gives load balancers and mount targets, the owners, a network
// interface in each of their subnets, and takes the interfaces away again.
//
// An interface is recorded before it is made and until it is deleted, so that a
// crash between the two leaves no interface behind.
package attach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/store"
)

// Request asks for an interface. The same Owner always gets the same interface,
// however often it asks.
type Request struct {
	Subnet      string
	Groups      []string // ids of security groups
	Type        string   // as EC2 calls it: "load_balancer", "efs"
	Description string
	Owner       string
}

// Made is an interface that EC2 has made.
type Made struct {
	ID   string // eni-…
	Addr netip.Addr
}

// Interface is what an owner's record says about an interface.
type Interface struct {
	Request Request // makes the interface, or finds it
	ID      string  // eni-…; "": it isn't known whether it was made
	Addr    netip.Addr
	Groups  []string // that it is in
}

// network makes and deletes network interfaces.
type network interface {
	CreateInterface(ctx context.Context, r Request) (Made, error)
	// DeleteInterface succeeds when there is no such interface.
	DeleteInterface(ctx context.Context, id string) error
	SetInterfaceGroups(ctx context.Context, id string, groups []string) error
}

// Owners are the records of one kind of owner. All but Sources are called in a
// transaction.
type Owners interface {
	// Sources name the owners that changed, and those of interfaces that did.
	Sources(db store.DB) []reconcile.Source
	// Read returns the interfaces that the owner at key should have, and those
	// that are recorded. Both are empty for an owner that is gone.
	Read(tx store.Tx, key string) (want []Request, have []Interface, err error)
	// Put records an interface of the owner at key.
	Put(tx store.Tx, key string, i Interface) error
	// Delete deletes the record of an interface that is deleted.
	Delete(tx store.Tx, key string, i Interface) error
	// Finish is called when the owner at key wants no interface and has none.
	Finish(tx store.Tx, key string) error
}

// Reconciler makes the interfaces of an owner as they should be. The key is the
// owner's.
type Reconciler struct {
	db     store.DB
	net    network
	owners Owners
}

// New returns a reconciler of one kind of owner.
func New(db store.DB, net network, owners Owners) *Reconciler { return &Reconciler{db, net, owners} }

// Sources name the owners that changed.
func (r *Reconciler) Sources() []reconcile.Source { return r.owners.Sources(r.db) }

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	var want []Request
	var have []Interface
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		want, have, err = r.owners.Read(tx, key)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read the interfaces of %s: %w", key, err)
	}
	var errs []error
	for _, i := range have {
		if !slices.ContainsFunc(want, func(w Request) bool { return w.Owner == i.Request.Owner }) {
			errs = append(errs, r.remove(ctx, key, i))
		}
	}
	for _, w := range want {
		at := slices.IndexFunc(have, func(i Interface) bool { return i.Request.Owner == w.Owner })
		if at < 0 {
			errs = append(errs, r.make(ctx, key, Interface{Request: w}))
			continue
		}
		have[at].Request = w
		errs = append(errs, r.ensure(ctx, key, have[at]))
	}
	if err := errors.Join(errs...); err != nil || len(want) > 0 {
		return 0, err
	}
	return 0, r.db.Update(ctx, func(tx store.Tx) error { return r.owners.Finish(tx, key) })
}

// ensure makes i, which is recorded, and puts it into the groups that are wanted.
func (r *Reconciler) ensure(ctx context.Context, key string, i Interface) error {
	switch {
	case i.ID == "":
		return r.make(ctx, key, i)
	case slices.Equal(i.Groups, i.Request.Groups):
		return nil
	}
	return r.group(ctx, key, i)
}

// make records i and makes it.
func (r *Reconciler) make(ctx context.Context, key string, i Interface) error {
	if err := r.put(ctx, key, i); err != nil {
		return err
	}
	made, err := r.net.CreateInterface(ctx, i.Request)
	if err != nil {
		return fmt.Errorf("create interface in %s: %w", i.Request.Subnet, err)
	}
	i.ID, i.Addr = made.ID, made.Addr
	return r.group(ctx, key, i) // one that was made before a crash may be in other groups
}

func (r *Reconciler) group(ctx context.Context, key string, i Interface) error {
	if err := r.net.SetInterfaceGroups(ctx, i.ID, i.Request.Groups); err != nil {
		return fmt.Errorf("set groups of %s: %w", i.ID, err)
	}
	i.Groups = i.Request.Groups
	return r.put(ctx, key, i)
}

// remove deletes i. An interface without an ID may exist all the same, so remove
// asks for it again first, which returns the ID.
func (r *Reconciler) remove(ctx context.Context, key string, i Interface) error {
	if i.ID == "" {
		found := i.Request
		found.Groups = nil
		made, err := r.net.CreateInterface(ctx, found)
		if err != nil {
			return fmt.Errorf("find interface in %s: %w", i.Request.Subnet, err)
		}
		i.ID = made.ID
	}
	if err := r.net.DeleteInterface(ctx, i.ID); err != nil {
		return fmt.Errorf("delete interface %s: %w", i.ID, err)
	}
	return r.db.Update(ctx, func(tx store.Tx) error { return r.owners.Delete(tx, key, i) })
}

func (r *Reconciler) put(ctx context.Context, key string, i Interface) error {
	return r.db.Update(ctx, func(tx store.Tx) error { return r.owners.Put(tx, key, i) })
}
