// Package scope is what the handlers of Cloud Map share: what they stand on, ids, errors, pages and operations.
package scope

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/store"
)

// Network is what Cloud Map asks of EC2.
type Network interface {
	// CheckVPC fails with a client's error when there is no such VPC.
	CheckVPC(ctx context.Context, id string) error
}

// Zone is a hosted zone that is to be.
type Zone struct {
	Name, Description string
	Owner             string // ARN of the namespace
	VPC               string // of a private zone; "" is a public one
	TTL               int64  // of what isn't there, in seconds
}

// Zones is Route 53: where names are made. All is part of the caller's transaction.
type Zones interface {
	// Create makes a zone. Its error is a client's when it can't be made.
	Create(tx store.Tx, z Zone) (id string, err error)
	// Update changes the description and the TTL of a zone.
	Update(tx store.Tx, id string, z Zone) error
	Delete(tx store.Tx, id string) error
	// Replace has the zone hold the sets of is in place of those of was.
	Replace(tx store.Tx, id string, was, is []record.Set) error
	// Told says whether the zone's names are answered as they are written.
	Told(tx store.Tx, id string) (bool, error)
	// Watch makes a health check of an address.
	Watch(tx store.Tx, addr string, port int32, c types.HealthCheckConfig) (check string, err error)
	Unwatch(tx store.Tx, check string) error
	// Well are those health checks that are well.
	Well(tx store.Tx) (map[string]bool, error)
}

// Scope is what the handlers stand on.
type Scope struct {
	DB      store.DB
	NS      arn.Namespace
	Network Network
	Zones   Zones
}

// The kinds of resources, as ARNs name them.
const (
	NamespaceKind = "namespace"
	ServiceKind   = "service"
)

// OneAccount is why a condition key is never there.
const OneAccount = "there is one account: nobody else makes services in its namespaces"

// CreatorKey is that key.
const CreatorKey = "servicediscovery:ServiceCreatedByAccount"

// MaxAttributes is how many attributes an instance, or a service, has at most.
const MaxAttributes = 30

// ARN is the ARN of a namespace or a service.
func (s *Scope) ARN(kind, id string) string { return s.NS.ARN("servicediscovery", kind+"/"+id) }

// Key is the value of a condition key that names a service.
func (s *Scope) Key(id *string) []string { return []string{s.ARN(ServiceKind, Bare(ServiceKind, id))} }

// Bare returns an id where its ARN may be given.
func Bare(kind string, ref *string) string {
	if ref == nil {
		return ""
	}
	if r, err := arn.Parse(*ref); err == nil {
		if id, ok := strings.CutPrefix(r.Resource, kind+"/"); ok {
			return id
		}
	}
	return *ref
}

// Found makes ids of what a request says, which may be ARNs.
func Found(kind string) func(context.Context, []string) []string {
	return func(_ context.Context, said []string) (ids []string) {
		for _, ref := range said {
			ids = append(ids, Bare(kind, &ref))
		}
		return ids
	}
}

// Resources are ARNs as they are said.
func Resources(_ context.Context, said []string) []string { return said }

// Invalid is a fault of what a client says.
func Invalid(format string, args ...any) error {
	return &types.InvalidInput{Message: new(fmt.Sprintf(format, args...))}
}

// NoNamespace is for an id that no namespace has.
func NoNamespace(id string) error {
	return &types.NamespaceNotFound{Message: new(fmt.Sprintf("Namespace with id %s was not found.", id))}
}

// NoService is for an id that no service has.
func NoService(id string) error {
	return &types.ServiceNotFound{Message: new(fmt.Sprintf("Service with id %s was not found.", id))}
}

// NoInstance is for the key of an instance that isn't there.
func NoInstance(key string) error {
	_, id, _ := strings.Cut(key, "/")
	return &types.InstanceNotFound{Message: new(fmt.Sprintf("Instance with id %s was not found.", id))}
}

// NoOperation is for an id that no operation has.
func NoOperation(id string) error {
	return &types.OperationNotFound{Message: new(fmt.Sprintf("Operation with id %s was not found.", id))}
}

// Pages is how lists are cut.
var Pages = handler.Pages{Default: 100, Most: 100, BadToken: func(string) error { return Invalid("The next token is not valid.") }}

// Namespace returns the namespace with that id or ARN.
func Namespace(tx store.Tx, ref *string) (record.Namespace, error) {
	return handler.Get(tx, record.Namespaces, Bare(NamespaceKind, ref), NoNamespace)
}

// Service returns the service with that id or ARN, and its namespace.
func Service(tx store.Tx, ref *string) (s record.Service, n record.Namespace, err error) {
	if s, err = handler.Get(tx, record.Services, Bare(ServiceKind, ref), NoService); err != nil {
		return s, n, err
	}
	n, err = Namespace(tx, &s.Namespace)
	return s, n, err
}

// Ended writes an operation that has Ended, and returns its id.
func Ended(tx store.Tx, kind types.OperationType, targets map[types.OperationTargetType]string) (*string, error) {
	o := record.Operation{ID: NewOperationID(), Type: kind, Targets: map[string]string{}, Created: time.Now().UTC()}
	for k, id := range targets {
		o.Targets[string(k)] = id
	}
	return &o.ID, record.Operations.Put(tx, o.ID, o)
}

// NewOperationID makes an id whose end is the time, as in gv4g5meo7ndmeh4fqskygvk23d2fijwa-k9302yzd.
func NewOperationID() string { return record.NewID("", 32) + record.NewID("-", 8) }

// Zero is what p points at; nil is the zero value.
func Zero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
