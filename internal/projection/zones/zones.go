// Package zones makes what the name server answers from of the records of Route 53 and of the load balancers.
package zones

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/dns/rdata"
	"github.com/skylift/skylift/internal/dns/zone"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/store"
)

// State is a table of zones, kept in step with the records. It is not safe for concurrent use.
type State struct {
	region    string
	elb       string // the zone that aliases of balancers name
	builder   *zone.Builder
	checks    map[string]*record.Check
	healths   map[string]*record.Health
	changes   map[string]bool
	balancers Balancers
	texts     map[string][]string
}

// Balancers are the names of load balancers, which are one zone.
type Balancers struct {
	Name  string     // of the zone; "" is none
	Addr  netip.Addr // that all have; invalid: they have no records
	Names []string   // without a dot at their ends
	// Inside are the addresses that a balancer has inside its VPC, by its name.
	Inside map[string][]netip.Addr
	Ill    map[string]bool
}

// New returns a State without zones, as seen from a region. Aliases of balancers name the zone elb.
func New(region, elb string) *State {
	s := &State{region: region, elb: elb}
	s.reset()
	return s
}

func (s *State) reset() {
	s.builder, s.checks, s.healths, s.changes = zone.NewBuilder(), map[string]*record.Check{}, map[string]*record.Health{}, map[string]bool{}
}

// Apply takes a batch of the tables of record.Family.
func (s *State) Apply(b store.Batch) error {
	if b.Reset {
		s.reset()
		defer s.putBalancers()
		defer s.putTexts()
	}
	judge := false
	for _, c := range b.Changes {
		judged, err := s.apply(c)
		if err != nil {
			return err
		}
		judge = judge || judged
	}
	if judge {
		s.judge()
	}
	return nil
}

// apply takes one change, and says whether it is about health.
func (s *State) apply(c store.Change) (judged bool, err error) {
	if e, ok, err := record.Sets.Event(c); ok {
		s.set(e)
		return false, err
	}
	if e, ok, err := record.Zones.Event(c); ok {
		if e.Value == nil {
			s.builder.Drop(e.Key)
		} else {
			s.builder.Put(infoOf(e.Value))
		}
		return false, err
	}
	if e, ok, err := record.Changes.Event(c); ok {
		keep(s.changes, e.Key, e.Value != nil, true)
		return false, err
	}
	if e, ok, err := record.Checks.Event(c); ok {
		keep(s.checks, e.Key, e.Value != nil, e.Value)
		s.builder.SetWell(e.Key, true) // one that is gone counts as well
		return true, err
	}
	e, ok, err := record.Healths.Event(c)
	if ok {
		keep(s.healths, e.Key, e.Value != nil, e.Value)
	}
	return ok, err
}

func keep[V any](in map[string]V, key string, there bool, v V) {
	if there {
		in[key] = v
	} else {
		delete(in, key)
	}
}

func (s *State) set(e store.Event[record.Set]) {
	if e.Value != nil {
		s.builder.PutSet(e.Value.Zone, setOf(e.Value, s.region, s.elb))
		return
	}
	if old, ok := record.SplitKey(e.Key); ok {
		number, _ := rdata.TypeOf(old.Type)
		s.builder.DropSet(old.Zone, &zone.Set{Name: record.Decimal(old.Name), Type: number, ID: old.ID})
	}
}

// judge tells the table which checks aren't well.
func (s *State) judge() {
	for id, well := range record.Well(s.checks, s.healths) {
		s.builder.SetWell(id, well)
	}
}

// Served says whether a change is in the table.
func (s *State) Served(change string) bool { return s.changes[change] }

// Table returns the table of what was applied.
func (s *State) Table() *zone.Table { return s.builder.Table() }

// Inside returns the table as it is seen inside of VPCs, where balancers have their own addresses.
func (s *State) Inside() *zone.Table {
	s.put(func(name string) []netip.Addr { return s.balancers.Inside[name] })
	defer s.putBalancers()
	return s.builder.Table()
}

// SetTexts replaces the names, with a dot at their ends, that have texts besides what zones have. Each is a zone of its own.
func (s *State) SetTexts(texts map[string][]string) {
	for name := range s.texts {
		s.builder.Drop(textZone + name)
	}
	s.texts = texts
	s.putTexts()
}

const (
	// textZone begins the ids of such zones.
	textZone = "text/"
	textTTL  = 5
)

func (s *State) putTexts() {
	for name, texts := range s.texts {
		s.builder.Put(zone.Info{ID: textZone + name, Name: name, Rank: "~", Serial: 1})
		set := &zone.Set{Name: name, Type: dns.TypeTXT}
		for _, t := range texts {
			set.Records = append(set.Records, &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: textTTL}, Txt: []string{t}})
		}
		s.builder.PutSet(textZone+name, set)
	}
}

// SetBalancers replaces the names of load balancers.
func (s *State) SetBalancers(b Balancers) {
	s.balancers = b
	s.putBalancers()
}

func (s *State) putBalancers() {
	s.put(func(string) []netip.Addr { return []netip.Addr{s.balancers.Addr} })
}

// put puts the names of load balancers into the table, with the addresses that each has.
func (s *State) put(addresses func(name string) []netip.Addr) {
	b := s.balancers
	s.builder.Drop(s.elb)
	if b.Name == "" {
		return
	}
	s.builder.Put(zone.Info{ID: s.elb, Name: b.Name, Rank: "~", Serial: 1})
	soa, err := rdata.Parse(b.Name, dns.TypeSOA, balancerTTL, fmt.Sprintf("%s hostmaster.%s 1 7200 900 1209600 %d", b.Name, b.Name, balancerTTL))
	if err == nil { // always: the name is one
		s.builder.PutSet(s.elb, &zone.Set{Name: b.Name, Type: dns.TypeSOA, Records: []dns.RR{soa}})
	}
	for _, n := range b.Names {
		name, check := n+".", balancerCheck+n
		s.builder.SetWell(check, !b.Ill[n])
		set := &zone.Set{Name: name, Check: check}
		for _, addr := range addresses(n) {
			if rr := addressOf(name, addr); rr != nil {
				set.Type, set.Records = rr.Header().Rrtype, append(set.Records, rr)
			}
		}
		if len(set.Records) > 0 {
			s.builder.PutSet(s.elb, set)
		}
	}
}

// addressOf is the record of a name that has an address; nil where there is none.
func addressOf(name string, addr netip.Addr) dns.RR {
	head := dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: balancerTTL}
	switch addr = addr.Unmap(); {
	case addr.Is4():
		return &dns.A{Hdr: head, A: addr.AsSlice()}
	case addr.Is6():
		head.Rrtype = dns.TypeAAAA
		return &dns.AAAA{Hdr: head, AAAA: addr.AsSlice()}
	}
	return nil
}

const (
	balancerTTL = 60
	// balancerCheck begins the names of what says whether balancers are well.
	balancerCheck = "balancer/"
)

func infoOf(z *record.Zone) zone.Info {
	i := zone.Info{ID: z.ID, Name: record.Decimal(z.Name), Rank: z.Created.Format("20060102150405.000000000"), Serial: z.Serial}
	for _, v := range z.VPCs {
		i.Views = append(i.Views, v.ID)
	}
	return i
}

// setOf is a record set as the name server has it. Values that can't be read, of which there are none, are left out.
func setOf(r *record.Set, region, elb string) *zone.Set {
	number, _ := rdata.TypeOf(r.Type)
	s := &zone.Set{Name: record.Decimal(r.Name), Type: number, ID: r.ID, Check: r.Check}
	for _, v := range r.Values {
		if rr, err := rdata.Parse(s.Name, number, uint32(min(r.TTL, math.MaxInt32)), record.Decimal(v)); err == nil {
			s.Records = append(s.Records, rr)
		}
	}
	if a := r.Alias; a != nil {
		target := a.Name
		if a.Zone == elb {
			target = record.BalancerName(target) + "."
		}
		s.Alias = &zone.Alias{Zone: a.Zone, Name: record.Decimal(target), Judged: a.Evaluate}
	}
	switch {
	case r.Weight != nil:
		s.Policy, s.Weight = zone.Weighted, uint32(*r.Weight)
	case r.Region != "":
		s.Policy, s.Distance = zone.Nearest, distance(region, r.Region)
	case r.Failover != "":
		s.Policy, s.Secondary = zone.Failover, r.Failover == string(types.ResourceRecordSetFailoverSecondary)
	case r.Multi:
		s.Policy = zone.Multi
	}
	return s
}
