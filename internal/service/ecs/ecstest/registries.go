package ecstest

import (
	"context"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

// The service registries that there are: one with addresses, and one with ports.
const (
	Registry     = "arn:aws:servicediscovery:us-west-2:111122223333:service/srv-a"
	PortRegistry = "arn:aws:servicediscovery:us-west-2:111122223333:service/srv-ports"
)

// Instance is a task in a registry.
type Instance struct {
	Registry, ID string
	Ill          bool
	Attributes   map[string]string
}

var instances = store.NewTable[Instance]("ecstest-instance")

// Registries stands in for Cloud Map.
type Registries struct {
	Behind bool // names are answered as they were
}

// Ports says whether instances of a registry must say a port.
func (r *Registries) Ports(_ context.Context, registry string) (bool, error) {
	if registry != Registry && registry != PortRegistry {
		return false, awserr.New("ServiceNotFound", "Service was not found.")
	}
	return registry == PortRegistry, nil
}

// Announce makes an instance.
func (r *Registries) Announce(tx store.Tx, registry, id string, ill bool, attributes map[string]string) error {
	return instances.Put(tx, registry+"/"+id, Instance{registry, id, ill, attributes})
}

// Withdraw removes an instance.
func (r *Registries) Withdraw(tx store.Tx, registry, id string) error {
	return instances.Delete(tx, registry+"/"+id)
}

// Told says whether names are answered as they are written.
func (r *Registries) Told(context.Context, string) (bool, error) { return !r.Behind, nil }

// Announced are the instances that there are.
func (w *World) Announced() (all []Instance) {
	w.T.Helper()
	err := w.DB.View(w.T.Context(), func(tx store.Tx) (err error) {
		all, err = instances.List(tx, "")
		return err
	})
	if err != nil {
		w.T.Fatal(err)
	}
	return all
}
