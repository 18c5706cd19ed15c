// Package api is Elastic Load Balancing v2 as one API: the calls about load
// balancers, listeners, rules and targets, and those about the tags of any of
// them.
package api

import (
	"slices"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/elbv2/balancers"
	"github.com/skylift/skylift/internal/service/elbv2/listeners"
	"github.com/skylift/skylift/internal/service/elbv2/rules"
	"github.com/skylift/skylift/internal/service/elbv2/targets"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// API answers for Elastic Load Balancing v2.
type API struct {
	*balancersAPI
	*listenersAPI
	*rulesAPI
	*targetsAPI
	db store.DB
}

type (
	balancersAPI = balancers.API
	listenersAPI = listeners.API
	rulesAPI     = rules.API
	targetsAPI   = targets.API
)

// network is what balancers and target groups refer to.
type network interface {
	balancers.Network
	targets.Network
}

// New returns the API. checkPort says whether listeners can be on a port of
// this host; when nil, they can be on any.
func New(db store.DB, ns arn.Namespace, net network, certs listeners.Certificates, logs balancers.Logs, checkPort func(port uint16) error) *API {
	return &API{balancers.New(db, ns, net, logs), listeners.New(db, certs, checkPort), rules.New(db), targets.New(db, ns, net), db}
}

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	return slices.Concat(a.balancersAPI.Operations(), a.listenersAPI.Operations(), a.rulesAPI.Operations(), a.targetsAPI.Operations(), []wire.Operation{
		wire.Op("AddTags", a.AddTags).On("*: ResourceArns").Takes("ResourceArns Tags{*}"),
		wire.Op("DescribeTags", a.DescribeTags).Takes("ResourceArns"),
		wire.Op("RemoveTags", a.RemoveTags).On("*: ResourceArns").Takes("ResourceArns TagKeys"),
	})
}
