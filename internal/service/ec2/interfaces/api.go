// Package interfaces makes network interfaces for those that own them, and
// answers EC2's calls about them.
package interfaces

import (
	"sync"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ec2/addresses"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for network interfaces. It is safe for concurrent use.
type API struct {
	db   store.DB
	ns   arn.Namespace
	pool addresses.Pool // of public addresses

	// allocating keeps this process' own allocations from making each other
	// retry; what makes them right is the transaction.
	allocating sync.Mutex
}

// NewAPI returns the API, which gives interfaces public addresses of pool.
func NewAPI(db store.DB, ns arn.Namespace, pool addresses.Pool) *API {
	return &API{db: db, ns: ns, pool: pool}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DescribeNetworkInterfaces", a.DescribeNetworkInterfaces).Takes(list.Members, "IncludeManagedResources NetworkInterfaceId"),
	}
}
