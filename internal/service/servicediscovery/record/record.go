// Package record has the records of Cloud Map: namespaces, services, their instances, and operations.
package record

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// The tables. Keys are ids, and that of an instance is its service's, a slash and its own.
var (
	Namespaces = store.NewTable("servicediscovery-namespace",
		store.Index[Namespace]{Name: ByName, Values: func(n Namespace) []string { return []string{n.Name} }})
	Services = store.NewTable("servicediscovery-service",
		store.Index[Service]{Name: ByNamespace, Values: func(s Service) []string { return []string{s.Namespace} }})
	Instances  = store.NewTable[Instance]("servicediscovery-instance")
	Operations = store.NewTable[Operation]("servicediscovery-operation")
)

// The indexes.
const (
	ByName      = "name"
	ByNamespace = "namespace"
)

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{Namespaces, Services, Instances, Operations} }

// Namespace is a namespace. Handlers write it.
type Namespace struct {
	ID          string
	Name        string
	Type        types.NamespaceType
	Description string `json:",omitempty"`
	Request     string `json:",omitempty"` // CreatorRequestId
	Operation   string // that made it
	VPC         string `json:",omitempty"` // of a private one
	Zone        string `json:",omitempty"` // of Route 53; "" for HTTP
	TTL         int64  `json:",omitempty"` // of the zone's SOA record, in seconds
	Created     time.Time
	Tags        handler.Tags // empty, not nil, when it had some
}

// Service is a service of a namespace. Handlers write it.
type Service struct {
	ID          string
	Namespace   string
	Name        string
	Description string                   `json:",omitempty"`
	Request     string                   `json:",omitempty"` // CreatorRequestId
	Asked       string                   // digest of what made it
	Records     []types.DnsRecord        `json:",omitempty"` // that each instance has; none: only DiscoverInstances finds them
	Policy      types.RoutingPolicy      `json:",omitempty"`
	Check       *types.HealthCheckConfig `json:",omitempty"` // Route 53 looks at instances
	Custom      bool                     `json:",omitempty"` // somebody tells of their health
	Attributes  map[string]string        `json:",omitempty"`
	Revision    int64                    // of its instances: grows with each change that DiscoverInstances shows
	Created     time.Time
	Tags        handler.Tags // empty, not nil, when it had some
}

// Type says by what the service's instances are found.
func (s *Service) Type() types.ServiceType {
	if len(s.Records) > 0 {
		return types.ServiceTypeDnsHttp
	}
	return types.ServiceTypeHttp
}

// Instance is an instance of a service. Handlers write it, and ECS does for its tasks.
type Instance struct {
	Service    string
	ID         string
	Request    string `json:",omitempty"` // CreatorRequestId
	Attributes map[string]string
	Health     types.CustomHealthStatus `json:",omitempty"` // where it is told of
	Check      string                   `json:",omitempty"` // Route 53's health check
}

// Key is the key of the instance.
func (i *Instance) Key() string { return InstanceKey(i.Service, i.ID) }

// InstanceKey is the key of an instance; without an id what the keys of all of a service begin with.
func InstanceKey(service, id string) string { return service + "/" + id }

// Operation is what became of a request. It has ended when it is written.
type Operation struct {
	ID      string
	Type    types.OperationType
	Code    string            `json:",omitempty"` // of what kept it from succeeding; "" is success
	Message string            `json:",omitempty"`
	Targets map[string]string // ids by types of targets
	Created time.Time
}

// OperationLife is how long an operation can be asked about.
const OperationLife = 24 * time.Hour

const letters = "abcdefghijklmnopqrstuvwxyz234567"

// NewID makes an id with n letters and digits at its end, as in ns-e4anhexample0004.
func NewID(prefix string, n int) string { return prefix + id.Text(n, letters) }

// CountInstances counts the instances of a service.
func CountInstances(tx store.Tx, service string) (count int32, err error) {
	for _, err := range Instances.Peek(tx, InstanceKey(service, "")) {
		if err != nil {
			return 0, err
		}
		count++
	}
	return count, nil
}
