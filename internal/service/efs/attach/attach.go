// Package attach knows which network interface a mount target owns, and removes
// the mount target after it.
package attach

import (
	"errors"
	"fmt"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
)

// MountTargets are the mount targets, by their ids, as owners of interfaces.
type MountTargets struct{}

// Sources implements attach.Owners.
func (MountTargets) Sources(db store.DB) []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(db, efs.MountTargets, nil)}
}

// Read implements attach.Owners.
func (MountTargets) Read(tx store.Tx, id string) (want []attach.Request, have []attach.Interface, err error) {
	m, err := efs.MountTargets.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil // its interface went before it
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read mount target: %w", err)
	}
	r := attach.Request{
		Subnet: m.Subnet.ID, Groups: m.Groups, Type: "efs", Owner: "efs/" + m.ID,
		Description: fmt.Sprintf("EFS mount target for %s (%s)", m.FileSystem, m.ID),
	}
	if !m.Deleted {
		want = []attach.Request{r}
	}
	at, err := efs.Attachments.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return want, nil, nil
	}
	return want, []attach.Interface{{Request: r, ID: at.ID, Addr: at.Addr, Groups: at.Groups}}, err
}

// Put implements attach.Owners.
func (MountTargets) Put(tx store.Tx, id string, i attach.Interface) error {
	return efs.Attachments.Put(tx, id, efs.Attachment{MountTarget: id, ID: i.ID, Addr: i.Addr, Groups: i.Groups})
}

// Delete implements attach.Owners.
func (MountTargets) Delete(tx store.Tx, id string, _ attach.Interface) error {
	return efs.Attachments.Delete(tx, id)
}

// Finish implements attach.Owners: a mount target that is to be deleted goes
// once it has no interface.
func (MountTargets) Finish(tx store.Tx, id string) error {
	m, err := efs.MountTargets.Get(tx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !m.Deleted {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read mount target: %w", err)
	}
	return efs.MountTargets.Delete(tx, id)
}
