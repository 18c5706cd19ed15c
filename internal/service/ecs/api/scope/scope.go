// Package scope is what the handlers of all kinds of resources share: the account that they act in, and how they read
// what requests name: clusters, services, tasks, definitions, networks and capacity providers.
package scope

import (
	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
)

// Scope is the records of one account in one region.
type Scope struct {
	DB store.DB
	NS arn.Namespace

	net Network
}

// New returns the scope. Net knows the networks that tasks are placed in.
func New(db store.DB, ns arn.Namespace, net Network) *Scope {
	return &Scope{DB: db, NS: ns, net: net}
}

// Awsvpc is what an operation takes of a network configuration.
const Awsvpc = "networkConfiguration{awsvpcConfiguration{subnets securityGroups assignPublicIp}}"
