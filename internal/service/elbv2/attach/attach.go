// Package attach knows which network interfaces load balancers own: one in each
// of their subnets, in the balancer's security groups.
package attach

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

// Balancers are the load balancers, by their ARNs, as owners of interfaces.
type Balancers struct{}

// Sources implements attach.Owners.
func (Balancers) Sources(db store.DB) []reconcile.Source {
	return []reconcile.Source{
		reconcile.Rows(db, elbv2.LoadBalancers, nil),
		reconcile.Rows(db, elbv2.Interfaces, func(_ string, i *elbv2.Interface) []string { return []string{i.LoadBalancer} }),
	}
}

// Read implements attach.Owners.
func (Balancers) Read(tx store.Tx, lbARN string) (want []attach.Request, have []attach.Interface, err error) {
	lb, err := elbv2.LoadBalancers.Get(tx, lbARN)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, nil, fmt.Errorf("read load balancer: %w", err)
	}
	for _, s := range lb.Subnets {
		want = append(want, request(lbARN, s.ID, lb.Groups))
	}
	recorded, err := elbv2.Interfaces.List(tx, elbv2.InterfaceKey(lbARN, ""))
	if err != nil {
		return nil, nil, fmt.Errorf("list interfaces: %w", err)
	}
	for _, i := range recorded {
		have = append(have, attach.Interface{Request: request(lbARN, i.Subnet, i.Groups), ID: i.ID, Addr: i.Addr, Groups: i.Groups})
	}
	return want, have, nil
}

func request(lbARN, subnet string, groups []string) attach.Request {
	_, path, _ := strings.Cut(lbARN, ":loadbalancer/")
	return attach.Request{
		Subnet: subnet, Groups: groups, Type: "load_balancer", Description: "ELB " + path, Owner: elbv2.InterfaceKey(lbARN, subnet),
	}
}

// Put implements attach.Owners.
func (Balancers) Put(tx store.Tx, lbARN string, i attach.Interface) error {
	record := elbv2.Interface{LoadBalancer: lbARN, Subnet: i.Request.Subnet, Groups: i.Groups, ID: i.ID, Addr: i.Addr}
	return elbv2.Interfaces.Put(tx, elbv2.InterfaceKey(lbARN, record.Subnet), record)
}

// Delete implements attach.Owners.
func (Balancers) Delete(tx store.Tx, lbARN string, i attach.Interface) error {
	return elbv2.Interfaces.Delete(tx, elbv2.InterfaceKey(lbARN, i.Request.Subnet))
}

// Finish implements attach.Owners: a balancer's record goes before its interfaces.
func (Balancers) Finish(store.Tx, string) error { return nil }
