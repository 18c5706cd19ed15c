package daemon

import (
	"context"
	"net/netip"
	"slices"

	"github.com/skylift/skylift/internal/attach"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	"github.com/skylift/skylift/internal/service/elbv2"
	elbapi "github.com/skylift/skylift/internal/service/elbv2/api"
	elbattach "github.com/skylift/skylift/internal/service/elbv2/attach"
	"github.com/skylift/skylift/internal/service/elbv2/health"
	"github.com/skylift/skylift/internal/service/elbv2/logs"
	"github.com/skylift/skylift/internal/store"
)

var elbv2Service = service{make: (*builder).elbv2, tables: elbv2.Tables, dirs: []string{balancerLogsDir}}

// balancerLogsDir is where in the data directory the lines of balancers' logs are until they are delivered.
const balancerLogsDir = "elb-logs"

// elbv2 makes Elastic Load Balancing.
func (b *builder) elbv2(context.Context) (part, error) {
	m := b.m
	delivery := logDelivery{m: m, objects: b.objects}
	test := logs.Tester{Objects: delivery, Account: m.ns.Account, Region: m.ns.Region}
	b.lbs = elbapi.New(m.db, m.ns, balancerNetwork{b.network}, b.certs, test, m.checkPort)
	m.delivery = &logs.Deliverer{Collector: m.collector, Objects: delivery, Account: m.ns.Account, Region: m.ns.Region}
	return part{
		name: "elasticloadbalancing", title: "Elastic Load Balancing v2", api: b.lbs, tagged: b.lbs, operations: b.lbs.Operations(),
		term: map[string]Runner{
			"elbv2/attach": freed(m.sourced("elbv2/attach", attach.New(m.db, interfaces{b.network}, elbattach.Balancers{}))),
			"elbv2/health": freed(m.sourced("elbv2/health", health.New(m.db, m.lb))),
		},
		always: map[string]Runner{"elbv2/logs": m.delivery, "elbv2/counts": m.counted},
	}, nil
}

// balancerNetwork is EC2 as ELBv2 sees it.
type balancerNetwork struct{ *ec2api.API }

func (n balancerNetwork) Subnet(ctx context.Context, id string) (elbv2.Subnet, error) {
	s, err := n.SubnetByID(ctx, id)
	return elbv2.Subnet{ID: s.ID, VPC: s.VpcID, AZ: s.AZ}, err
}

func (n balancerNetwork) Zones(ctx context.Context, vpc string) (elbv2.Zones, error) {
	subnets, err := n.SubnetsOf(ctx, vpc)
	zones := elbv2.Zones{}
	for _, s := range subnets {
		zones[s.CIDR] = s.AZ
	}
	return zones, err
}

// checkPort returns why a balancer can't listen on a port; nil if it can.
// Balancers may share a port.
func (m *machine) checkPort(port uint16) error {
	shared := false
	err := m.db.View(context.Background(), func(tx store.Tx) error {
		all, err := elbv2.Listeners.List(tx, "")
		shared = slices.ContainsFunc(all, func(l elbv2.Listener) bool { return l.Port == int32(port) })
		return err
	})
	if err != nil || shared {
		return err
	}
	return try(netip.AddrPortFrom(m.LBAddress, port).String())
}
