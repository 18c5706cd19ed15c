// Package attach gives load balancers their network interfaces, one in each of
// their subnets, and takes them away when the balancer is gone.
//
// An interface is recorded before it is made and until it is deleted, so that a
// crash between the two leaves none behind.
package attach

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

// Request is the interface that is wanted. The one that Owner has already is
// the one that it gets.
type Request struct {
	Subnet      string
	Groups      []string
	Description string
	Owner       string
}

// Interface is a network interface.
type Interface struct {
	ID   string
	Addr netip.Addr
}

// interfaces makes and deletes network interfaces.
type interfaces interface {
	CreateInterface(ctx context.Context, r Request) (Interface, error)
	// DeleteInterface succeeds when there is no such interface.
	DeleteInterface(ctx context.Context, id string) error
	SetInterfaceGroups(ctx context.Context, id string, groups []string) error
}

// Reconciler makes the interfaces of a balancer, its key, what they should be.
type Reconciler struct {
	db  store.DB
	net interfaces
}

// New returns a reconciler of balancers.
func New(db store.DB, net interfaces) *Reconciler { return &Reconciler{db, net} }

// Sources name the balancers that changed, and those of interfaces that did.
func (r *Reconciler) Sources() []reconcile.Source {
	return []reconcile.Source{
		reconcile.Rows(r.db, elbv2.LoadBalancers, nil),
		reconcile.Rows(r.db, elbv2.Interfaces, func(_ string, i *elbv2.Interface) []string { return []string{i.LoadBalancer} }),
	}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, lbARN string) (again time.Duration, err error) {
	lb, have, err := r.read(ctx, lbARN)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, i := range have {
		if !slices.ContainsFunc(lb.Subnets, func(s elbv2.Subnet) bool { return s.ID == i.Subnet }) {
			errs = append(errs, r.remove(ctx, i))
		}
	}
	for _, s := range lb.Subnets {
		at := slices.IndexFunc(have, func(i elbv2.Interface) bool { return i.Subnet == s.ID })
		if at < 0 {
			have = append(have, elbv2.Interface{LoadBalancer: lb.ARN, Subnet: s.ID})
			at = len(have) - 1
		}
		errs = append(errs, r.ensure(ctx, lb, have[at]))
	}
	return 0, errors.Join(errs...)
}

// read returns a balancer, without subnets when it is gone, and its interfaces.
func (r *Reconciler) read(ctx context.Context, lbARN string) (lb elbv2.LoadBalancer, have []elbv2.Interface, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		if lb, err = elbv2.LoadBalancers.Get(tx, lbARN); err != nil && !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("read load balancer: %w", err)
		}
		if have, err = elbv2.Interfaces.List(tx, elbv2.InterfaceKey(lbARN, "")); err != nil {
			return fmt.Errorf("list interfaces: %w", err)
		}
		return nil
	})
	return lb, have, err
}

// ensure makes interface i of lb, or puts it into lb's groups.
func (r *Reconciler) ensure(ctx context.Context, lb elbv2.LoadBalancer, i elbv2.Interface) error {
	if i.ID != "" && slices.Equal(i.Groups, lb.Groups) {
		return nil
	}
	if i.ID != "" {
		if err := r.net.SetInterfaceGroups(ctx, i.ID, lb.Groups); err != nil {
			return fmt.Errorf("set groups of %s: %w", i.ID, err)
		}
		i.Groups = lb.Groups
		return r.put(ctx, i)
	}
	if err := r.put(ctx, i); err != nil {
		return err
	}
	made, err := r.net.CreateInterface(ctx, request(i, lb.Groups))
	if err != nil {
		return fmt.Errorf("create interface in %s: %w", i.Subnet, err)
	}
	// One that was made before a crash may be in other groups.
	if err := r.net.SetInterfaceGroups(ctx, made.ID, lb.Groups); err != nil {
		return fmt.Errorf("set groups of %s: %w", made.ID, err)
	}
	i.ID, i.Addr, i.Groups = made.ID, made.Addr, lb.Groups
	return r.put(ctx, i)
}

// remove deletes interface i. When its ID isn't known it may have been made all
// the same, and making it again tells.
func (r *Reconciler) remove(ctx context.Context, i elbv2.Interface) error {
	if i.ID == "" {
		made, err := r.net.CreateInterface(ctx, request(i, nil))
		if err != nil {
			return fmt.Errorf("find interface in %s: %w", i.Subnet, err)
		}
		i.ID = made.ID
	}
	if err := r.net.DeleteInterface(ctx, i.ID); err != nil {
		return fmt.Errorf("delete interface %s: %w", i.ID, err)
	}
	return r.db.Update(ctx, func(tx store.Tx) error {
		return elbv2.Interfaces.Delete(tx, elbv2.InterfaceKey(i.LoadBalancer, i.Subnet))
	})
}

func request(i elbv2.Interface, groups []string) Request {
	_, path, _ := strings.Cut(i.LoadBalancer, ":loadbalancer/")
	return Request{
		Subnet:      i.Subnet,
		Groups:      groups,
		Description: "ELB " + path,
		Owner:       elbv2.InterfaceKey(i.LoadBalancer, i.Subnet),
	}
}

func (r *Reconciler) put(ctx context.Context, i elbv2.Interface) error {
	return r.db.Update(ctx, func(tx store.Tx) error {
		return elbv2.Interfaces.Put(tx, elbv2.InterfaceKey(i.LoadBalancer, i.Subnet), i)
	})
}
