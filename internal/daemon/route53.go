package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/dns"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/route53"
	"github.com/skylift/skylift/internal/service/route53/checks"
	"github.com/skylift/skylift/internal/service/route53/owned"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/store"
)

var route53Service = service{make: (*builder).route53, tables: route53.Tables}

// mostChecking is how many health checks look at their endpoints at once.
const mostChecking = 64

// route53 makes Route 53, with the name server where it is to listen.
func (b *builder) route53(ctx context.Context) (part, error) {
	m := b.m
	n := m.newNames(b.lbs.HostedZone())
	m.names = n
	checker := checks.New(m.db, n.Lookup)
	s := &scope.Scope{DB: m.db, NS: m.ns, Network: b.network, Balancers: b.lbs, Names: n, Checker: checker}
	api := route53.New(s)
	b.zones = owned.API{Scope: s}
	p := part{
		name: "route53", title: "Route 53", api: api, tagged: api, operations: api.Operations(),
		term: map[string]Runner{
			"route53/checks": freed(m.loop("route53/checks", checker, max(1, min(mostChecking, m.limits.budget.Checks/4)), checker.Sources()...)),
			"route53/forget": whenDue(m, "route53/forget", record.Changes, api.Forget),
		},
		always: map[string]Runner{
			"names": n,
			"names/balancers": m.loop("names/balancers", n, 1, whole(m.db, elbv2.LoadBalancers), whole(m.db, elbv2.Rules), whole(m.db, elbv2.Targets),
				whole(m.db, elbv2.Healths), whole(m.db, elbv2.Interfaces), whole(m.db, acm.Challenges)),
			"names/resolver": m.newResolver(n),
		},
	}
	if len(m.DNSListen) == 0 {
		return p, nil
	}
	at, err := dns.Listen(ctx, m.DNSListen)
	if err != nil {
		return part{}, fmt.Errorf("%w; choose another address with --dns-listen", err)
	}
	server := dns.New(dns.Config{Table: n.Table, Transfers: m.DNSTransfer, Conns: m.limits.dns, Log: m.Log})
	p.always["dns"] = runner(func(ctx context.Context) error {
		select { // what isn't read yet must not be denied
		case <-n.ready:
		case <-ctx.Done():
			at.Close()
			return ctx.Err()
		}
		return server.Serve(ctx, at)
	})
	return p, nil
}

// checkDNS returns what is wrong with where the name server is to listen.
func (c Config) checkDNS() error {
	for _, a := range c.DNSListen {
		if a.Port() == 0 {
			return fmt.Errorf("--dns-listen %s must name a port, as in 127.0.0.1:5353", a)
		}
		if c.VPCCIDR.Contains(a.Addr()) {
			return fmt.Errorf("--dns-listen %s must not be an address of the VPC", a)
		}
	}
	if len(c.DNSTransfer) > 0 && len(c.DNSListen) == 0 {
		return errors.New("--dns-transfer says who may have zones from the name server: say where that listens with --dns-listen")
	}
	return nil
}

// DNSPath is where `skylift dns setup` gets its report from.
const DNSPath = "/skylift/v1/dns"

// DNS is what resolvers are told to ask the name server.
type DNS struct {
	Listen []string `json:"listen"` // none: there is no name server
	Zones  []string `json:"zones"`  // public ones, and that of load balancers, without a dot at their ends
}

// tellDNS reads what the name server answers for.
func (m *machine) tellDNS(ctx context.Context) (DNS, error) {
	var d DNS
	err := m.db.View(ctx, func(tx store.Tx) error {
		d = DNS{Listen: m.dnsListens(), Zones: []string{strings.TrimSuffix(m.balancersZone(), ".")}}
		for z, err := range record.Zones.Peek(tx, "") {
			if err != nil {
				return err
			}
			if !z.Private {
				d.Zones = append(d.Zones, strings.TrimSuffix(z.Name, "."))
			}
		}
		return nil
	})
	slices.Sort(d.Zones)
	d.Zones = slices.Compact(d.Zones)
	return d, err
}

// balancersZone is the zone of the names of load balancers.
func (m *machine) balancersZone() string { return m.ns.Region + ".elb.localhost." }

// dnsListens says where the name server answers.
func (m *machine) dnsListens() (all []string) {
	for _, a := range m.DNSListen {
		all = append(all, a.String())
	}
	return all
}
