// Package attach gives mount targets their network interfaces, and takes them
// away with the mount target.
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
	"time"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/efs"
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

// Reconciler makes the interface of a mount target, its key, what it should be.
type Reconciler struct {
	db  store.DB
	net interfaces
}

// New returns a reconciler of mount targets.
func New(db store.DB, net interfaces) *Reconciler { return &Reconciler{db, net} }

// Sources name the mount targets that changed.
func (r *Reconciler) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(r.db, efs.MountTargets, nil)}
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, id string) (again time.Duration, err error) {
	var m efs.MountTarget
	var at efs.Attachment
	err = r.db.View(ctx, func(tx store.Tx) (err error) {
		if m, err = efs.MountTargets.Get(tx, id); err != nil {
			return err
		}
		if at, err = efs.Attachments.Get(tx, id); errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil // its interface went before it
	case err != nil:
		return 0, fmt.Errorf("read mount target: %w", err)
	case m.Deleted:
		return 0, r.remove(ctx, m, at)
	}
	return 0, r.ensure(ctx, m, at)
}

// ensure makes the interface of m, or puts it into m's groups.
func (r *Reconciler) ensure(ctx context.Context, m efs.MountTarget, at efs.Attachment) error {
	if at.ID != "" && slices.Equal(at.Groups, m.Groups) {
		return nil
	}
	if at.ID == "" {
		at.MountTarget = m.ID
		if err := r.put(ctx, at); err != nil {
			return err
		}
		made, err := r.net.CreateInterface(ctx, request(m, m.Groups))
		if err != nil {
			return fmt.Errorf("create interface in %s: %w", m.Subnet.ID, err)
		}
		at.ID, at.Addr = made.ID, made.Addr
	}
	// One that was made before a crash may be in other groups.
	if err := r.net.SetInterfaceGroups(ctx, at.ID, m.Groups); err != nil {
		return fmt.Errorf("set groups of %s: %w", at.ID, err)
	}
	at.Groups = m.Groups
	return r.put(ctx, at)
}

// remove deletes m with its interface. When the interface's ID isn't known it
// may have been made all the same, and making it again tells.
func (r *Reconciler) remove(ctx context.Context, m efs.MountTarget, at efs.Attachment) error {
	if at.MountTarget != "" && at.ID == "" {
		made, err := r.net.CreateInterface(ctx, request(m, nil))
		if err != nil {
			return fmt.Errorf("find interface in %s: %w", m.Subnet.ID, err)
		}
		at.ID = made.ID
	}
	if at.ID != "" {
		if err := r.net.DeleteInterface(ctx, at.ID); err != nil {
			return fmt.Errorf("delete interface %s: %w", at.ID, err)
		}
	}
	return r.db.Update(ctx, func(tx store.Tx) error {
		if err := efs.Attachments.Delete(tx, m.ID); err != nil {
			return err
		}
		return efs.MountTargets.Delete(tx, m.ID)
	})
}

func request(m efs.MountTarget, groups []string) Request {
	return Request{
		Subnet: m.Subnet.ID, Groups: groups, Owner: "efs/" + m.ID,
		Description: fmt.Sprintf("EFS mount target for %s (%s)", m.FileSystem, m.ID),
	}
}

func (r *Reconciler) put(ctx context.Context, at efs.Attachment) error {
	return r.db.Update(ctx, func(tx store.Tx) error { return efs.Attachments.Put(tx, at.MountTarget, at) })
}
