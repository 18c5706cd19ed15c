package ecstest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

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

// Registries stands in for Cloud Map. What a transaction that fails tells it stays.
type Registries struct {
	Behind atomic.Bool // names are answered as they were

	mu        sync.Mutex
	instances map[string]Instance
}

// Ports says whether instances of a registry must say a port.
func (r *Registries) Ports(_ context.Context, registry string) (bool, error) {
	if registry != Registry && registry != PortRegistry {
		return false, awserr.New("ServiceNotFound", "Service was not found.")
	}
	return registry == PortRegistry, nil
}

// Announce makes an instance.
func (r *Registries) Announce(_ store.Tx, registry, id string, ill bool, attributes map[string]string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.instances == nil {
		r.instances = map[string]Instance{}
	}
	r.instances[registry+"/"+id] = Instance{registry, id, ill, attributes}
	return nil
}

// Withdraw removes an instance.
func (r *Registries) Withdraw(_ store.Tx, registry, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.instances, registry+"/"+id)
	return nil
}

// Told says whether names are answered as they are written.
func (r *Registries) Told(context.Context, string) (bool, error) { return !r.Behind.Load(), nil }

// Announced are the instances that there are.
func (w *World) Announced() []Instance {
	r := w.Registries
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.instances))
}
