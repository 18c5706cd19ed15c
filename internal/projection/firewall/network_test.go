package firewall

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/vpc"
	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
)

var (
	addr, prefix = netip.MustParseAddr, netip.MustParsePrefix
	anywhere     = prefix("0.0.0.0/0")
)

// put writes two VPCs: the default one with its gateway, and one with a NAT gateway, a peering and an ACL.
func put(tx store.Tx) error {
	var err error
	add := func(e error) {
		if err == nil {
			err = e
		}
	}
	add(ec2.Vpcs.Put(tx, "vpc-a", ec2.Vpc{ID: "vpc-a", CIDR: prefix("172.31.0.0/16"), Default: true, DNSSupport: true}))
	add(ec2.Vpcs.Put(tx, "vpc-b", ec2.Vpc{ID: "vpc-b", CIDR: prefix("10.0.0.0/16"), Secondary: []ec2.CIDRAssociation{{CIDR: prefix("10.1.0.0/16")}}}))
	add(ec2.Subnets.Put(tx, "subnet-a", ec2.Subnet{ID: "subnet-a", VpcID: "vpc-a", CIDR: prefix("172.31.0.0/20")}))
	add(ec2.Subnets.Put(tx, "subnet-b", ec2.Subnet{ID: "subnet-b", VpcID: "vpc-b", CIDR: prefix("10.0.0.0/24")}))
	add(ec2.Subnets.Put(tx, "subnet-c", ec2.Subnet{ID: "subnet-c", VpcID: "vpc-b", CIDR: prefix("10.1.0.0/24")}))
	add(ec2.InternetGateways.Put(tx, "igw-a", ec2.InternetGateway{ID: "igw-a", VpcID: "vpc-a"}))
	add(ec2.InternetGateways.Put(tx, "igw-b", ec2.InternetGateway{ID: "igw-b", VpcID: "vpc-b"}))
	add(ec2.InternetGateways.Put(tx, "igw-off", ec2.InternetGateway{ID: "igw-off"}))
	add(ec2.NatGateways.Put(tx, "nat-b", ec2.NatGateway{ID: "nat-b", VpcID: "vpc-b", SubnetID: "subnet-b", Addr: addr("10.0.0.9"), PublicAddr: addr("198.51.100.9"), State: ec2.NatAvailable}))
	add(ec2.Peerings.Put(tx, "pcx-1", ec2.Peering{ID: "pcx-1", Requester: "vpc-a", Accepter: "vpc-b", State: ec2.PeeringActive}))
	add(ec2.Peerings.Put(tx, "pcx-2", ec2.Peering{ID: "pcx-2", Requester: "vpc-a", Accepter: "vpc-b", State: ec2.PeeringPending}))
	add(ec2.PrefixLists.Put(tx, "pl-1", ec2.PrefixList{ID: "pl-1", Entries: []ec2.PrefixListEntry{{CIDR: prefix("192.0.2.0/24")}, {CIDR: prefix("203.0.113.0/24")}}}))
	add(ec2.RouteTables.Put(tx, "rtb-a", ec2.RouteTable{ID: "rtb-a", VpcID: "vpc-a", Associations: []ec2.RouteAssociation{{Main: true}}, Routes: []ec2.Route{{Destination: anywhere, Target: "igw-a"}}}))
	add(ec2.RouteTables.Put(tx, "rtb-b", ec2.RouteTable{ID: "rtb-b", VpcID: "vpc-b", Associations: []ec2.RouteAssociation{{Main: true}}, Routes: []ec2.Route{
		{Destination: anywhere, Target: "igw-b"}, {Destination: prefix("172.31.0.0/20"), Target: "pcx-1"}, {Destination: prefix("172.31.16.0/20"), Target: "pcx-2"},
	}}))
	add(ec2.RouteTables.Put(tx, "rtb-c", ec2.RouteTable{ID: "rtb-c", VpcID: "vpc-b", Associations: []ec2.RouteAssociation{{SubnetID: "subnet-c"}}, Routes: []ec2.Route{
		{Destination: anywhere, Target: "nat-b"}, {PrefixList: "pl-1", Target: "igw-off"}, {Destination: prefix("198.18.0.0/15"), Target: "eni-c"},
	}}))
	add(ec2.NetworkACLs.Put(tx, "acl-a", ec2.NetworkACL{ID: "acl-a", VpcID: "vpc-a", Entries: ec2.AllowAll(), Associations: []ec2.ACLAssociation{{SubnetID: "subnet-a"}, {SubnetID: "subnet-b"}}}))
	add(ec2.SecurityGroups.Put(tx, "sg-1", ec2.SecurityGroup{ID: "sg-1", Rules: []ec2.Rule{{Protocol: "tcp", From: 80, To: 80, PrefixList: "pl-1"}}}))
	add(ec2.Interfaces.Put(tx, "eni-a", ec2.Interface{ID: "eni-a", Addr: addr("172.31.0.5"), PublicAddr: addr("198.51.100.1")}))
	add(ec2.Interfaces.Put(tx, "eni-c", ec2.Interface{ID: "eni-c", VpcID: "vpc-b", OwnerKey: "task/c", Addr: addr("10.1.0.5"), PublicAddr: addr("198.51.100.2")}))
	add(ec2.Interfaces.Put(tx, "eni-nat", ec2.Interface{ID: "eni-nat", Type: "nat_gateway", Addr: addr("10.0.0.9")}))
	add(ec2.ElasticAddresses.Put(tx, "eipalloc-1", ec2.ElasticAddress{ID: "eipalloc-1", Addr: addr("198.51.100.3"), Interface: "eni-c", PrivateAddr: addr("10.1.0.5")}))
	add(ec2.ElasticAddresses.Put(tx, "eipalloc-2", ec2.ElasticAddress{ID: "eipalloc-2", Addr: addr("198.51.100.4")}))
	return err
}

// TestBuildNetwork makes the VPCs of records.
func TestBuildNetwork(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	if err := db.Update(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	var in Records
	if err := db.View(t.Context(), in.Read); err != nil {
		t.Fatal(err)
	}
	rs := Build(in)
	if err := rs.Validate(); err != nil {
		t.Error(err)
	}
	localB, localC := route.Hop{To: prefix("10.0.0.0/16"), Kind: route.Local, ID: "local"}, route.Hop{To: prefix("10.1.0.0/16"), Kind: route.Local, ID: "local"}
	all := []acl.Entry{{Number: 100, Allow: true, Kind: traffic.Kind{Protocol: -1}, CIDR: anywhere}}
	want := route.Network{
		VPCs: []route.VPC{
			{ID: "vpc-a", Ranges: []netip.Prefix{prefix("172.31.0.0/16")}, ByMachine: true},
			{ID: "vpc-b", Ranges: []netip.Prefix{prefix("10.0.0.0/16"), prefix("10.1.0.0/16")}, NoDNS: true},
		},
		Subnets: []route.Subnet{
			{ID: "subnet-a", VPC: "vpc-a", Range: prefix("172.31.0.0/20"), ACL: "acl-a", Hops: []route.Hop{{To: prefix("172.31.0.0/16"), Kind: route.Local, ID: "local"}, {To: anywhere, Kind: route.Internet, ID: "igw-a"}}},
			{ID: "subnet-b", VPC: "vpc-b", Range: prefix("10.0.0.0/24"), ACL: "acl-a", Hops: []route.Hop{
				{To: prefix("172.31.0.0/20"), Kind: route.Peering, ID: "pcx-1"}, {To: prefix("172.31.16.0/20"), Kind: route.Nowhere, ID: "pcx-2"}, localB, localC, {To: anywhere, Kind: route.Internet, ID: "igw-b"},
			}},
			{ID: "subnet-c", VPC: "vpc-b", Range: prefix("10.1.0.0/24"), ACL: "none", Hops: []route.Hop{
				{To: prefix("192.0.2.0/24"), Kind: route.Nowhere, ID: "igw-off"},
				{To: prefix("203.0.113.0/24"), Kind: route.Nowhere, ID: "igw-off"},
				localB, localC,
				{To: prefix("198.18.0.0/15"), Kind: route.Nowhere, ID: "eni-c"},
				{To: anywhere, Kind: route.NAT, ID: "nat-b"},
			}},
		},
		Gateways: []route.Gateway{{ID: "nat-b", Addr: addr("10.0.0.9"), Public: addr("198.51.100.9")}},
		Pairs:    []route.Pair{{ID: "pcx-1", A: "vpc-a", B: "vpc-b"}},
		ACLs:     []acl.ACL{{ID: "acl-a", Ingress: all, Egress: all}},
	}
	same := cmp.Options{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
	if d := cmp.Diff(want, rs.Net, same); d != "" {
		t.Errorf("the VPCs (-want +got):\n%s", d)
	}
	members := []vpc.Member{{ID: "eni-a", Addr: addr("172.31.0.5"), Public: addr("198.51.100.1")}, {ID: "eni-c", Addr: addr("10.1.0.5"), Public: addr("198.51.100.3")}}
	if d := cmp.Diff(members, rs.Members, same); d != "" {
		t.Errorf("the members (-want +got):\n%s", d)
	}
	rules := []vpc.Rule{{Protocol: 6, FromPort: 80, ToPort: 80, CIDR: prefix("192.0.2.0/24")}, {Protocol: 6, FromPort: 80, ToPort: 80, CIDR: prefix("203.0.113.0/24")}}
	if d := cmp.Diff(rules, rs.Groups[0].Ingress, same); d != "" {
		t.Errorf("the rules by a prefix list (-want +got):\n%s", d)
	}
	if in.PublicOnly = true; Build(in).Net.VPCs[0].ByMachine {
		t.Error("with public addresses to give the default VPC still leaves by the machine")
	}
}
