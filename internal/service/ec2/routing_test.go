package ec2

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// ways are those of a VPC 10.1.0.0/16, with a second range, and of its peer 10.2.0.0/16.
func ways(t *testing.T) (w Ways) {
	t.Helper()
	db, p := memstore.New(), netip.MustParsePrefix
	main := RouteTable{ID: "rtb-main", VpcID: "vpc-1", Associations: []RouteAssociation{{ID: "rtbassoc-1", Main: true}}, Routes: []Route{
		{Destination: p("0.0.0.0/0"), Target: "igw-1"},
		{Destination: p("10.0.0.0/8"), Target: "pcx-1"},
		{Destination: p("10.3.0.0/16"), Target: "pcx-2"},
		{Destination: p("10.4.0.0/16"), Target: "nat-1"},
		{Destination: p("10.4.1.0/24"), Target: "nat-2"},
		{PrefixList: "pl-1", Target: "eni-1"},
		{PrefixList: "pl-0", Target: "vpce-1"},
		{Destination: p("192.0.2.1/32"), Target: "eni-2"},
		{Destination: p("192.0.2.2/32"), Target: "eni-3"},
		{Destination: p("192.0.2.3/32"), Target: "igw-2"},
		{Destination: p("192.0.2.4/32"), Target: "vpce-2"},
		{Destination: p("192.0.2.5/32"), Target: "tgw-1"},
	}}
	private := RouteTable{ID: "rtb-private", VpcID: "vpc-1", Associations: []RouteAssociation{{ID: "rtbassoc-2", SubnetID: "subnet-2"}}}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(
			Vpcs.Put(tx, "vpc-1", Vpc{ID: "vpc-1", CIDR: p("10.1.0.0/16"), Secondary: []CIDRAssociation{{CIDR: p("100.64.0.0/20")}}}),
			Vpcs.Put(tx, "vpc-2", Vpc{ID: "vpc-2", CIDR: p("10.2.0.0/16")}),
			RouteTables.Put(tx, "rtb-main", main), RouteTables.Put(tx, "rtb-private", private),
			RouteTables.Put(tx, "rtb-other", RouteTable{ID: "rtb-other", VpcID: "vpc-2", Associations: []RouteAssociation{{Main: true}}}),
			InternetGateways.Put(tx, "igw-1", InternetGateway{ID: "igw-1", VpcID: "vpc-1"}),
			InternetGateways.Put(tx, "igw-2", InternetGateway{ID: "igw-2"}),
			NatGateways.Put(tx, "nat-1", NatGateway{ID: "nat-1", VpcID: "vpc-1", State: NatAvailable}),
			NatGateways.Put(tx, "nat-2", NatGateway{ID: "nat-2", VpcID: "vpc-1", State: NatDeleted}),
			Peerings.Put(tx, "pcx-1", Peering{ID: "pcx-1", Requester: "vpc-2", Accepter: "vpc-1", State: PeeringActive}),
			Peerings.Put(tx, "pcx-2", Peering{ID: "pcx-2", Requester: "vpc-1", Accepter: "vpc-3", State: PeeringActive}),
			Endpoints.Put(tx, "vpce-1", Endpoint{ID: "vpce-1", VpcID: "vpc-1"}),
			PrefixLists.Put(tx, "pl-1", PrefixList{ID: "pl-1", Entries: []PrefixListEntry{{CIDR: p("10.4.2.0/24")}, {CIDR: p("10.3.0.0/16")}, {CIDR: p("198.51.100.0/24")}}}),
			PrefixLists.Put(tx, "pl-0", PrefixList{ID: "pl-0", Entries: []PrefixListEntry{{CIDR: p("203.0.113.0/24")}}}),
			Interfaces.Put(tx, "eni-1", Interface{ID: "eni-1", VpcID: "vpc-1", OwnerKey: "task/a"}),
			Interfaces.Put(tx, "eni-2", Interface{ID: "eni-2", VpcID: "vpc-1"}),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx store.Tx) (err error) { w, err = ReadWays(tx); return err })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestLookup(t *testing.T) {
	t.Parallel()
	w := ways(t)
	for _, tt := range []struct{ subnet, addr, want string }{
		{"subnet-1", "10.1.2.3", "10.1.0.0/16 local"},
		{"subnet-1", "100.64.1.1", "100.64.0.0/20 local"},
		{"subnet-1", "8.8.8.8", "0.0.0.0/0 igw-1"},
		{"subnet-1", "10.2.0.1", "10.0.0.0/8 pcx-1"},
		{"subnet-1", "10.3.0.1", "10.3.0.0/16 pcx-2 blackhole"}, // its peer is gone; and it goes before the same prefix of a list
		{"subnet-1", "10.4.0.1", "10.4.0.0/16 nat-1"},
		{"subnet-1", "10.4.1.1", "10.4.1.0/24 nat-2 blackhole"}, // and not to nat-1
		{"subnet-1", "10.4.2.1", "10.4.2.0/24 eni-1 of pl-1"},
		{"subnet-1", "198.51.100.1", "198.51.100.0/24 eni-1 of pl-1"},
		{"subnet-1", "203.0.113.1", "203.0.113.0/24 vpce-1 of pl-0"},
		{"subnet-1", "192.0.2.1", "192.0.2.1/32 eni-2 blackhole"}, // attached to nothing
		{"subnet-1", "192.0.2.2", "192.0.2.2/32 eni-3 blackhole"}, // gone
		{"subnet-1", "192.0.2.3", "192.0.2.3/32 igw-2 blackhole"}, // detached
		{"subnet-1", "192.0.2.4", "192.0.2.4/32 vpce-2 blackhole"},
		{"subnet-1", "192.0.2.5", "192.0.2.5/32 tgw-1 blackhole"},
		{"subnet-2", "10.1.2.3", "10.1.0.0/16 local"},
		{"subnet-2", "8.8.8.8", "none"},
	} {
		h, ok := w.Lookup(w.TableOf(Subnet{ID: tt.subnet, VpcID: "vpc-1"}), netip.MustParseAddr(tt.addr))
		got := fmt.Sprint(h.Prefix, " ", h.Target)
		if h.List != "" {
			got += " of " + h.List
		}
		if h.Blackhole {
			got += " blackhole"
		}
		if !ok {
			got = "none"
		}
		if got != tt.want {
			t.Errorf("%s from %s: %s, want %s", tt.addr, tt.subnet, got, tt.want)
		}
	}
	if id := w.TableOf(Subnet{ID: "subnet-3", VpcID: "vpc-2"}).ID; id != "rtb-other" {
		t.Errorf("the table of another VPC's subnet is %q", id)
	}
}
