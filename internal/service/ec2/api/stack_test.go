package api

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/store"
)

// must returns what a call returned, which has no error.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// built is a VPC as people make it: with a public and a private subnet, and a way out for each.
type built struct {
	vpc, public, private, gateway, publicTable, privateTable, nat, address string
}

// build makes a VPC in 10.20.0.0/16.
func build(t *testing.T, a env) (b built) {
	t.Helper()
	c := t.Context()
	vpc := must(a.CreateVpc(c, &sdk.CreateVpcInput{CidrBlock: new("10.20.5.0/16")}))(t).Vpc
	if *vpc.CidrBlock != "10.20.0.0/16" || vpc.State != types.VpcStatePending || *vpc.IsDefault || vpc.InstanceTenancy != types.TenancyDefault {
		t.Errorf("made %+v", vpc)
	}
	b.vpc = *vpc.VpcId
	b.public = *must(a.CreateSubnet(c, &sdk.CreateSubnetInput{VpcId: &b.vpc, CidrBlock: new("10.20.0.0/24"), AvailabilityZone: new("us-west-2b")}))(t).Subnet.SubnetId
	b.private = *must(a.CreateSubnet(c, &sdk.CreateSubnetInput{VpcId: &b.vpc, CidrBlock: new("10.20.1.0/24"), AvailabilityZoneId: new("usw2-az3")}))(t).Subnet.SubnetId
	b.gateway = *must(a.CreateInternetGateway(c, &sdk.CreateInternetGatewayInput{}))(t).InternetGateway.InternetGatewayId
	must(a.AttachInternetGateway(c, &sdk.AttachInternetGatewayInput{InternetGatewayId: &b.gateway, VpcId: &b.vpc}))(t)
	b.publicTable = *must(a.CreateRouteTable(c, &sdk.CreateRouteTableInput{VpcId: &b.vpc}))(t).RouteTable.RouteTableId
	b.privateTable = *must(a.CreateRouteTable(c, &sdk.CreateRouteTableInput{VpcId: &b.vpc}))(t).RouteTable.RouteTableId
	must(a.CreateRoute(c, &sdk.CreateRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &b.gateway}))(t)
	must(a.AssociateRouteTable(c, &sdk.AssociateRouteTableInput{RouteTableId: &b.publicTable, SubnetId: &b.public}))(t)
	must(a.AssociateRouteTable(c, &sdk.AssociateRouteTableInput{RouteTableId: &b.privateTable, SubnetId: &b.private}))(t)
	b.address = *must(a.AllocateAddress(c, &sdk.AllocateAddressInput{Domain: types.DomainTypeVpc}))(t).AllocationId
	b.nat = *must(a.CreateNatGateway(c, &sdk.CreateNatGatewayInput{SubnetId: &b.public, AllocationId: &b.address}))(t).NatGateway.NatGatewayId
	must(a.CreateRoute(c, &sdk.CreateRouteInput{RouteTableId: &b.privateTable, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: &b.nat}))(t)
	return b
}

// TestStack makes a VPC, looks at what there is of it then, and takes it away in the only order in which that can be done.
func TestStack(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	vpcFilter := filter("vpc-id", b.vpc)
	if got := must(a.DescribeSecurityGroups(c, &sdk.DescribeSecurityGroupsInput{Filters: vpcFilter}))(t).SecurityGroups; len(got) != 1 || *got[0].GroupName != "default" {
		t.Errorf("groups %+v", got)
	}
	acls := must(a.DescribeNetworkAcls(c, &sdk.DescribeNetworkAclsInput{Filters: append(filter("default", "true"), vpcFilter...)}))(t).NetworkAcls
	if len(acls) != 1 || len(acls[0].Associations) != 2 || len(acls[0].Entries) != 4 || *acls[0].Entries[1].RuleNumber != 32767 || *acls[0].Entries[0].Protocol != "-1" {
		t.Errorf("ACLs %+v", acls)
	}
	g := must(a.DescribeNatGateways(c, &sdk.DescribeNatGatewaysInput{NatGatewayIds: []string{b.nat}}))(t).NatGateways[0]
	at := g.NatGatewayAddresses[0]
	if g.State != types.NatGatewayStateAvailable || *at.PublicIp != "198.18.0.1" || *at.PrivateIp != "10.20.0.4" || !*at.IsPrimary || g.ConnectivityType != types.ConnectivityTypePublic {
		t.Errorf("NAT gateway %+v", g)
	}
	eni := must(a.DescribeNetworkInterfaces(c, &sdk.DescribeNetworkInterfacesInput{Filters: filter("interface-type", "nat_gateway")}))(t).NetworkInterfaces[0]
	if *eni.Description != "Interface for NAT Gateway "+b.nat || *eni.SourceDestCheck || len(eni.Groups) != 0 || *eni.Association.AllocationId != b.address || *eni.Attachment.InstanceOwnerId != "amazon-aws" {
		t.Errorf("its interface %+v", eni)
	}
	want := []string{
		"main: 10.20.0.0/16 local active",
		"private: 10.20.0.0/16 local active, 0.0.0.0/0 nat active",
		"public: 10.20.0.0/16 local active, 0.0.0.0/0 igw active",
	}
	if diff := cmp.Diff(want, b.tables(t, a)); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	refused := func(what string, err error, code, words string) {
		t.Helper()
		wantCode(t, what, err, code, words)
	}
	_, err := a.DeleteVpc(c, &sdk.DeleteVpcInput{VpcId: &b.vpc})
	refused("VPC", err, "DependencyViolation", "The vpc '"+b.vpc+"' has dependencies and cannot be deleted.")
	_, err = a.DeleteSubnet(c, &sdk.DeleteSubnetInput{SubnetId: &b.public})
	refused("subnet", err, "DependencyViolation", *eni.NetworkInterfaceId)
	_, err = a.DetachInternetGateway(c, &sdk.DetachInternetGatewayInput{InternetGatewayId: &b.gateway, VpcId: &b.vpc})
	refused("gateway", err, "DependencyViolation", "has some mapped public address(es)")
	_, err = a.DeleteInternetGateway(c, &sdk.DeleteInternetGatewayInput{InternetGatewayId: &b.gateway})
	refused("attached gateway", err, "DependencyViolation", b.gateway)
	_, err = a.DeleteRouteTable(c, &sdk.DeleteRouteTableInput{RouteTableId: &b.privateTable})
	refused("table", err, "DependencyViolation", b.privateTable)
	_, err = a.ReleaseAddress(c, &sdk.ReleaseAddressInput{AllocationId: &b.address})
	refused("address", err, "InvalidIPAddress.InUse", "198.18.0.1")

	must(a.DeleteNatGateway(c, &sdk.DeleteNatGatewayInput{NatGatewayId: &b.nat}))(t)
	if g := must(a.DescribeNatGateways(c, &sdk.DescribeNatGatewaysInput{Filter: filter("state", "deleted")}))(t).NatGateways; len(g) != 1 || g[0].DeleteTime == nil {
		t.Errorf("deleted gateways %+v", g)
	}
	if got := b.tables(t, a)[1]; got != "private: 10.20.0.0/16 local active, 0.0.0.0/0 nat blackhole" {
		t.Errorf("without the NAT gateway, %s", got)
	}
	must(a.ReleaseAddress(c, &sdk.ReleaseAddressInput{AllocationId: &b.address, NetworkBorderGroup: new("us-west-2")}))(t)
	must(a.DetachInternetGateway(c, &sdk.DetachInternetGatewayInput{InternetGatewayId: &b.gateway, VpcId: &b.vpc}))(t)
	if got := b.tables(t, a)[2]; got != "public: 10.20.0.0/16 local active, 0.0.0.0/0 igw blackhole" {
		t.Errorf("without the internet gateway, %s", got)
	}
	must(a.DeleteInternetGateway(c, &sdk.DeleteInternetGatewayInput{InternetGatewayId: &b.gateway}))(t)
	for _, s := range []string{b.public, b.private} {
		must(a.DeleteSubnet(c, &sdk.DeleteSubnetInput{SubnetId: &s}))(t)
	}
	for _, table := range []string{b.publicTable, b.privateTable} {
		must(a.DeleteRouteTable(c, &sdk.DeleteRouteTableInput{RouteTableId: &table}))(t)
	}
	must(a.DeleteVpc(c, &sdk.DeleteVpcInput{VpcId: &b.vpc}))(t)
	for table, left := range map[string]int{
		"VPCs": len(records(t, a, ec2.Vpcs)), "groups": len(records(t, a, ec2.SecurityGroups)), "tables": len(records(t, a, ec2.RouteTables)),
		"ACLs": len(records(t, a, ec2.NetworkACLs)), "gateways": len(records(t, a, ec2.InternetGateways)),
	} {
		if left != 1 {
			t.Errorf("%d %s left, want those of the default VPC", left, table)
		}
	}
	if left := len(records(t, a, ec2.Interfaces)) + len(records(t, a, ec2.Addresses)) + len(records(t, a, ec2.ElasticAddresses)); left != 0 {
		t.Errorf("%d interfaces and addresses left", left)
	}
}

// tables returns the route tables of the VPC in words, with the kinds of targets for their ids.
func (b built) tables(t *testing.T, a env) (out []string) {
	t.Helper()
	names := map[string]string{b.publicTable: "public", b.privateTable: "private"}
	for _, table := range must(a.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{Filters: filter("vpc-id", b.vpc)}))(t).RouteTables {
		name, ok := names[*table.RouteTableId]
		if !ok {
			name = "main"
		}
		var routes []string
		for _, r := range table.Routes {
			to := "local"
			switch {
			case r.NatGatewayId != nil:
				to = "nat"
			case r.VpcPeeringConnectionId != nil:
				to = "pcx"
			case *r.GatewayId != "local":
				to, _, _ = strings.Cut(*r.GatewayId, "-")
			}
			destination := r.DestinationCidrBlock
			if destination == nil {
				destination = new("a list")
			}
			routes = append(routes, fmt.Sprint(*destination, " ", to, " ", r.State))
		}
		out = append(out, name+": "+strings.Join(routes, ", "))
	}
	slices.Sort(out)
	return out
}

func TestCreateVpcRefuses(t *testing.T) {
	t.Parallel()
	a := account(t)
	taken := New(a.db, testNS, Host{Claim: func(p netip.Prefix) error {
		if p.Overlaps(netip.MustParsePrefix("10.9.0.0/16")) {
			return fmt.Errorf("interface docker0 has %s", p)
		}
		return nil
	}})
	for cidr, words := range map[string]string{
		"10.0.0.0/15":    "The CIDR '10.0.0.0/15' is invalid.",
		"10.0.0.0/29":    "The CIDR '10.0.0.0/29' is invalid.",
		"172.31.5.0/24":  "it overlaps 172.31.0.0/16 of vpc-",
		"198.18.0.0/20":  "public addresses",
		"169.254.0.0/24": "is invalid",
		"127.1.0.0/16":   "is invalid",
		"10.9.1.0/24":    "docker0",
	} {
		_, err := taken.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: &cidr})
		wantCode(t, cidr, err, "InvalidVpc.Range", words)
	}
	_, err := a.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: new("fd00::/64")})
	wantCode(t, "IPv6", err, "InvalidParameterValue", "not a valid CIDR block")
	_, err = a.CreateVpc(t.Context(), &sdk.CreateVpcInput{})
	wantCode(t, "no range", err, "MissingParameter", "cidrBlock")
	_, err = a.CreateVpc(t.Context(), &sdk.CreateVpcInput{CidrBlock: new("10.1.0.0/16"), DryRun: new(true)})
	wantCode(t, "dry run", err, "DryRunOperation", "would have succeeded")
	_, err = a.DeleteVpc(t.Context(), &sdk.DeleteVpcInput{VpcId: &records(t, a, ec2.Vpcs)[0].ID})
	wantCode(t, "the default one", err, "OperationNotPermitted", "default")
	if n := len(records(t, a, ec2.Vpcs)); n != 1 {
		t.Errorf("%d VPCs", n)
	}
}

func TestSubnets(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	for name, tc := range map[string]struct {
		in          sdk.CreateSubnetInput
		code, words string
	}{
		"outside":      {sdk.CreateSubnetInput{CidrBlock: new("10.21.0.0/24")}, "InvalidSubnet.Range", "'10.21.0.0/24' is invalid"},
		"too large":    {sdk.CreateSubnetInput{CidrBlock: new("10.20.0.0/15")}, "InvalidSubnet.Range", "is invalid"},
		"too small":    {sdk.CreateSubnetInput{CidrBlock: new("10.20.9.0/29")}, "InvalidSubnet.Range", "is invalid"},
		"taken":        {sdk.CreateSubnetInput{CidrBlock: new("10.20.0.128/25")}, "InvalidSubnet.Conflict", b.public},
		"no such zone": {sdk.CreateSubnetInput{CidrBlock: new("10.20.9.0/24"), AvailabilityZone: new("us-west-2d")}, "InvalidParameterValue", "us-west-2c"},
		"both zones":   {sdk.CreateSubnetInput{CidrBlock: new("10.20.9.0/24"), AvailabilityZone: new("us-west-2a"), AvailabilityZoneId: new("usw2-az1")}, "InvalidParameterCombination", "availabilityZoneId"},
		"no VPC":       {sdk.CreateSubnetInput{VpcId: new("vpc-0"), CidrBlock: new("10.20.9.0/24")}, "InvalidVpcID.NotFound", "vpc-0"},
	} {
		if tc.in.VpcId == nil {
			tc.in.VpcId = &b.vpc
		}
		_, err := a.CreateSubnet(c, &tc.in)
		wantCode(t, name, err, tc.code, tc.words)
	}
	on := &types.AttributeBooleanValue{Value: new(true)}
	must(a.ModifySubnetAttribute(c, &sdk.ModifySubnetAttributeInput{SubnetId: &b.public, MapPublicIpOnLaunch: on}))(t)
	must(a.ModifySubnetAttribute(c, &sdk.ModifySubnetAttributeInput{SubnetId: &b.public, PrivateDnsHostnameTypeOnLaunch: types.HostnameTypeResourceName}))(t)
	must(a.ModifySubnetAttribute(c, &sdk.ModifySubnetAttributeInput{SubnetId: &b.public, EnableResourceNameDnsARecordOnLaunch: on}))(t)
	s := must(a.DescribeSubnets(c, &sdk.DescribeSubnetsInput{Filters: append(filter("map-public-ip-on-launch", "true"), filter("vpc-id", b.vpc)...)}))(t).Subnets
	if len(s) != 1 || *s[0].SubnetId != b.public || !*s[0].MapPublicIpOnLaunch || s[0].PrivateDnsNameOptionsOnLaunch.HostnameType != "resource-name" || !*s[0].PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord {
		t.Errorf("subnets %+v", s)
	}
	if *s[0].AvailableIpAddressCount != 250 || *s[0].AvailabilityZoneId != "usw2-az2" { // 251 less the NAT gateway's
		t.Errorf("%d addresses are free in %s", *s[0].AvailableIpAddressCount, *s[0].AvailabilityZoneId)
	}
	_, err := a.ModifySubnetAttribute(c, &sdk.ModifySubnetAttributeInput{SubnetId: &b.public, MapPublicIpOnLaunch: on, EnableDns64: on})
	wantCode(t, "two at a time", err, "InvalidParameterCombination", "mapPublicIpOnLaunch, enableDns64")
	_, err = a.ModifySubnetAttribute(c, &sdk.ModifySubnetAttributeInput{SubnetId: &b.public, AssignIpv6AddressOnCreation: on})
	wantCode(t, "IPv6", err, "UnsupportedOperation", "assignIpv6AddressOnCreation")
	_, err = a.ModifySubnetAttribute(c, &sdk.ModifySubnetAttributeInput{SubnetId: new("subnet-0"), MapPublicIpOnLaunch: on})
	wantCode(t, "no subnet", err, "InvalidSubnetID.NotFound", "subnet-0")
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	list := must(a.DescribePrefixLists(c, &sdk.DescribePrefixListsInput{Filters: filter("prefix-list-name", "*.s3")}))(t).PrefixLists[0].PrefixListId
	elsewhere := records(t, a, ec2.InternetGateways)
	other := elsewhere[slices.IndexFunc(elsewhere, func(g ec2.InternetGateway) bool { return g.ID != b.gateway })].ID
	for name, tc := range map[string]struct {
		in          sdk.CreateRouteInput
		code, words string
	}{
		"again":            {sdk.CreateRouteInput{DestinationCidrBlock: new("0.0.0.0/0"), GatewayId: &b.gateway}, "RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists"},
		"local":            {sdk.CreateRouteInput{DestinationCidrBlock: new("10.20.0.0/16"), GatewayId: &b.gateway}, "RouteAlreadyExists", "10.20.0.0/16"},
		"inside the VPC":   {sdk.CreateRouteInput{DestinationCidrBlock: new("10.20.1.0/24"), GatewayId: &b.gateway}, "InvalidParameterValue", "more specific"},
		"half a subnet":    {sdk.CreateRouteInput{DestinationCidrBlock: new("10.20.1.0/25"), NatGatewayId: &b.nat}, "InvalidParameterValue", "more specific"},
		"reserved":         {sdk.CreateRouteInput{DestinationCidrBlock: new("169.254.169.254/32"), GatewayId: &b.gateway}, "InvalidParameterValue", "reserved"},
		"no destination":   {sdk.CreateRouteInput{GatewayId: &b.gateway}, "MissingParameter", "destinationCidrBlock"},
		"two destinations": {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), DestinationPrefixListId: list, GatewayId: &b.gateway}, "InvalidParameterCombination", "destinationPrefixListId"},
		"no target":        {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: new("")}, "MissingParameter", "natGatewayId"},
		"two targets":      {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: &b.gateway, NatGatewayId: &b.nat}, "InvalidParameterCombination", "only one target"},
		"malformed":        {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0"), GatewayId: &b.gateway}, "InvalidParameterValue", "destinationCidrBlock"},
		"no gateway":       {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: new("igw-0")}, "InvalidInternetGatewayID.NotFound", "igw-0"},
		"another's":        {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: &other}, "InvalidParameterValue", "different networks"},
		"no NAT gateway":   {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), NatGatewayId: new("nat-0123456789abcdef0")}, "NatGatewayNotFound", "nat-0"},
		"no list":          {sdk.CreateRouteInput{DestinationPrefixListId: new("pl-0123456789abcdef0"), GatewayId: &b.gateway}, "InvalidPrefixListID.NotFound", "pl-0"},
		"no peering":       {sdk.CreateRouteInput{DestinationCidrBlock: new("10.0.0.0/8"), VpcPeeringConnectionId: new("pcx-0123456789abcdef0")}, "InvalidVpcPeeringConnectionID.NotFound", "pcx-0"},
	} {
		tc.in.RouteTableId = &b.publicTable
		_, err := a.CreateRoute(c, &tc.in)
		wantCode(t, name, err, tc.code, tc.words)
	}
	_, err := a.CreateRoute(c, &sdk.CreateRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("10.20.1.0/24"), NatGatewayId: &b.nat})
	wantCode(t, "a whole subnet", err, "InvalidParameterValue", "more specific")
	must(a.CreateRoute(c, &sdk.CreateRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("10.99.1.0/24"), NatGatewayId: &b.nat}))(t)
	must(a.ReplaceRoute(c, &sdk.ReplaceRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("0.0.0.0/0"), NatGatewayId: &b.nat}))(t)
	if got, want := b.tables(t, a)[2], "public: 10.20.0.0/16 local active, 0.0.0.0/0 nat active, 10.99.1.0/24 nat active"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, err = a.ReplaceRoute(c, &sdk.ReplaceRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("10.0.0.0/8"), GatewayId: &b.gateway})
	wantCode(t, "replaced", err, "InvalidParameterValue", "There is no route defined for '10.0.0.0/8' in the route table. Use CreateRoute instead.")
	_, err = a.DeleteRoute(c, &sdk.DeleteRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("10.0.0.0/8")})
	wantCode(t, "deleted", err, "InvalidRoute.NotFound", "10.0.0.0/8")
	_, err = a.DeleteRoute(c, &sdk.DeleteRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("10.20.0.0/16")})
	wantCode(t, "local deleted", err, "InvalidParameterValue", "cannot remove local route")
	must(a.DeleteRoute(c, &sdk.DeleteRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("0.0.0.0/0")}))(t)
}

// TestAssociations: a subnet has the table that it was given, else the main one, which may change.
func TestAssociations(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	tableOf := func(subnet string) (id string) {
		must(0, a.db.View(c, func(tx store.Tx) error {
			w, err := ec2.ReadWays(tx)
			id = w.TableOf(ec2.Subnet{ID: subnet, VpcID: b.vpc}).ID
			return err
		}))(t)
		return id
	}
	associations := func(f []types.Filter) []types.RouteTableAssociation {
		return must(a.DescribeRouteTables(c, &sdk.DescribeRouteTablesInput{Filters: f}))(t).RouteTables[0].Associations
	}
	_, err := a.AssociateRouteTable(c, &sdk.AssociateRouteTableInput{RouteTableId: &b.publicTable, SubnetId: &b.private})
	wantCode(t, "again", err, "Resource.AlreadyAssociated", "the specified association for route table "+b.publicTable+" conflicts with an existing association")
	private := associations(filter("association.subnet-id", b.private))[0]
	moved := must(a.ReplaceRouteTableAssociation(c, &sdk.ReplaceRouteTableAssociationInput{AssociationId: private.RouteTableAssociationId, RouteTableId: &b.publicTable}))(t)
	if *moved.NewAssociationId == *private.RouteTableAssociationId || tableOf(b.private) != b.publicTable {
		t.Errorf("moved to %s as %s", tableOf(b.private), *moved.NewAssociationId)
	}
	must(a.DisassociateRouteTable(c, &sdk.DisassociateRouteTableInput{AssociationId: moved.NewAssociationId}))(t)
	main := associations(append(filter("association.main", "true"), filter("vpc-id", b.vpc)...))[0]
	if tableOf(b.private) != *main.RouteTableId {
		t.Errorf("without a table of its own it has %s, want the main one", tableOf(b.private))
	}
	_, err = a.DisassociateRouteTable(c, &sdk.DisassociateRouteTableInput{AssociationId: main.RouteTableAssociationId})
	wantCode(t, "the main one", err, "InvalidParameterValue", "main route table association")
	must(a.ReplaceRouteTableAssociation(c, &sdk.ReplaceRouteTableAssociationInput{AssociationId: main.RouteTableAssociationId, RouteTableId: &b.privateTable}))(t)
	if tableOf(b.private) != b.privateTable {
		t.Errorf("after the main table changed it has %s", tableOf(b.private))
	}
	must(a.DeleteRouteTable(c, &sdk.DeleteRouteTableInput{RouteTableId: main.RouteTableId}))(t) // it isn't any more
	_, err = a.DisassociateRouteTable(c, &sdk.DisassociateRouteTableInput{AssociationId: new("rtbassoc-0")})
	wantCode(t, "no association", err, "InvalidAssociationID.NotFound", "rtbassoc-0")
	def := firstSubnet(t, a).ID
	_, err = a.AssociateRouteTable(c, &sdk.AssociateRouteTableInput{RouteTableId: &b.publicTable, SubnetId: &def})
	wantCode(t, "another VPC's", err, "InvalidParameterValue", "different networks")
}

func TestNatGatewaysFail(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	lonely := *must(a.CreateVpc(c, &sdk.CreateVpcInput{CidrBlock: new("10.30.0.0/16")}))(t).Vpc.VpcId
	subnet := *must(a.CreateSubnet(c, &sdk.CreateSubnetInput{VpcId: &lonely, CidrBlock: new("10.30.0.0/28")}))(t).Subnet.SubnetId
	free := *must(a.AllocateAddress(c, &sdk.AllocateAddressInput{}))(t).AllocationId
	for name, tc := range map[string]struct {
		in            sdk.CreateNatGatewayInput
		code, message string
	}{
		"no way out": {sdk.CreateNatGatewayInput{SubnetId: &subnet, AllocationId: &free}, "Gateway.NotAttached", "Network " + lonely + " has no Internet gateway attached"},
		"in use":     {sdk.CreateNatGatewayInput{SubnetId: &b.public, AllocationId: &b.address}, "Resource.AlreadyAssociated", "Elastic IP address " + b.address + " is already associated"},
		"no address": {sdk.CreateNatGatewayInput{SubnetId: &b.public, AllocationId: new("eipalloc-0")}, "InvalidAllocationID.NotFound", "eipalloc-0"},
	} {
		made := must(a.CreateNatGateway(c, &tc.in))(t).NatGateway
		if made.State != types.NatGatewayStatePending || made.FailureCode != nil {
			t.Errorf("%s: the answer is %+v", name, made)
		}
		g := must(a.DescribeNatGateways(c, &sdk.DescribeNatGatewaysInput{NatGatewayIds: []string{*made.NatGatewayId}}))(t).NatGateways[0]
		if g.State != types.NatGatewayStateFailed || *g.FailureCode != tc.code || !strings.Contains(*g.FailureMessage, tc.message) {
			t.Errorf("%s: %s %s: %s", name, g.State, *g.FailureCode, *g.FailureMessage)
		}
	}
	token := sdk.CreateNatGatewayInput{SubnetId: &b.public, AllocationId: &free, ClientToken: new("once")}
	one, two := must(a.CreateNatGateway(c, &token))(t).NatGateway, must(a.CreateNatGateway(c, &token))(t).NatGateway
	if *one.NatGatewayId != *two.NatGatewayId || two.State != types.NatGatewayStateAvailable || two.ConnectivityType != types.ConnectivityTypePublic || two.NatGatewayAddresses[0].PublicIp == nil {
		t.Errorf("the same token made %+v and %+v", one, two)
	}
	token.PrivateIpAddress = new("10.20.0.9")
	_, err := a.CreateNatGateway(c, &token)
	wantCode(t, "the token for something else", err, "IdempotentParameterMismatch", "once")
	_, err = a.CreateNatGateway(c, &sdk.CreateNatGatewayInput{SubnetId: &b.public})
	wantCode(t, "public without an address", err, "MissingParameter", "AllocationId")
	_, err = a.DeleteNatGateway(c, &sdk.DeleteNatGatewayInput{NatGatewayId: new("nat-0123456789abcdef0")})
	wantCode(t, "no gateway", err, "NatGatewayNotFound", "nat-0")
}

// TestElasticAddresses: one public address an interface's address; the newer association wins, and nothing is lost.
func TestElasticAddresses(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	s := firstSubnet(t, a)
	made := must(a.CreateInterface(c, interfaces.Request{SubnetID: s.ID, Owner: "task/1", Type: ec2.PlainInterface, Public: true}))(t)
	other := must(a.CreateInterface(c, interfaces.Request{SubnetID: s.ID, Owner: "task/2", Type: ec2.PlainInterface}))(t)
	eni := func(id string) types.NetworkInterface {
		return must(a.DescribeNetworkInterfaces(c, &sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{id}}))(t).NetworkInterfaces[0]
	}
	if p := eni(made.ID).Association; *p.PublicIp != "198.18.0.1" || *p.IpOwnerId != "amazon" || p.AllocationId != nil || *p.PublicDnsName != "ec2-198-18-0-1.us-west-2.compute.amazonaws.com" {
		t.Errorf("its own public address %+v", p)
	}
	e := must(a.AllocateAddress(c, &sdk.AllocateAddressInput{}))(t)
	if *e.PublicIp != "198.18.0.2" || e.Domain != types.DomainTypeVpc || *e.PublicIpv4Pool != "amazon" || *e.NetworkBorderGroup != "us-west-2" {
		t.Errorf("allocated %+v", e)
	}
	first := must(a.AssociateAddress(c, &sdk.AssociateAddressInput{AllocationId: e.AllocationId, NetworkInterfaceId: &made.ID}))(t)
	if p := eni(made.ID).Association; *p.PublicIp != "198.18.0.2" || *p.AllocationId != *e.AllocationId || *p.IpOwnerId != testNS.Account {
		t.Errorf("associated: %+v", p)
	}
	if again := must(a.AssociateAddress(c, &sdk.AssociateAddressInput{AllocationId: e.AllocationId, NetworkInterfaceId: &made.ID}))(t); *again.AssociationId != *first.AssociationId {
		t.Error("the same association again is another")
	}
	if l := records(t, a, ec2.Addresses); slices.ContainsFunc(l, func(l ec2.Lease) bool { return l.Addr.String() == "198.18.0.1" }) {
		t.Error("the interface's own public address was not given back")
	}
	_, err := a.AssociateAddress(c, &sdk.AssociateAddressInput{AllocationId: e.AllocationId, NetworkInterfaceId: &other.ID, AllowReassociation: new(false)})
	wantCode(t, "taken away", err, "Resource.AlreadyAssociated", *e.AllocationId)
	must(a.AssociateAddress(c, &sdk.AssociateAddressInput{PublicIp: e.PublicIp, NetworkInterfaceId: &other.ID}))(t)
	if eni(made.ID).Association != nil || *eni(other.ID).Association.PublicIp != *e.PublicIp {
		t.Error("the address did not move")
	}
	_, err = a.AssociateAddress(c, &sdk.AssociateAddressInput{AllocationId: e.AllocationId, NetworkInterfaceId: &other.ID, PrivateIpAddress: new("172.31.0.200")})
	wantCode(t, "an address that it hasn't", err, "InvalidParameterValue", "172.31.0.200")
	must(0, a.DeleteInterface(c, other.ID))(t)
	got := must(a.DescribeAddresses(c, &sdk.DescribeAddressesInput{AllocationIds: []string{*e.AllocationId}}))(t).Addresses
	if len(got) != 1 || got[0].AssociationId != nil {
		t.Errorf("with its interface gone: %+v", got)
	}
	must(a.AssociateAddress(c, &sdk.AssociateAddressInput{AllocationId: e.AllocationId, NetworkInterfaceId: &made.ID}))(t)
	must(a.DisassociateAddress(c, &sdk.DisassociateAddressInput{PublicIp: e.PublicIp}))(t)
	_, err = a.DisassociateAddress(c, &sdk.DisassociateAddressInput{AssociationId: first.AssociationId})
	wantCode(t, "no association", err, "InvalidAssociationID.NotFound", *first.AssociationId)
	must(a.ReleaseAddress(c, &sdk.ReleaseAddressInput{AllocationId: e.AllocationId}))(t)
	_, err = a.DescribeAddresses(c, &sdk.DescribeAddressesInput{AllocationIds: []string{*e.AllocationId}})
	wantCode(t, "released", err, "InvalidAllocationID.NotFound", *e.AllocationId)
	if l := must(a.DescribeAddressesAttribute(c, &sdk.DescribeAddressesAttributeInput{Attribute: types.AddressAttributeNameDomainName}))(t).Addresses; len(l) != 0 {
		t.Errorf("names %v", l)
	}
}

// TestPublicAddressesRunOut gives out all that there are, and each again when it is free.
func TestPublicAddressesRunOut(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	few := New(a.db, testNS, Host{Public: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/30"), netip.MustParsePrefix("192.0.2.7/32")}})
	var got []string
	var last *string
	for range 3 {
		e := must(few.AllocateAddress(c, &sdk.AllocateAddressInput{}))(t)
		got, last = append(got, *e.PublicIp), e.AllocationId
	}
	if want := []string{"203.0.113.1", "203.0.113.2", "192.0.2.7"}; !slices.Equal(got, want) {
		t.Errorf("given %v, want %v", got, want)
	}
	_, err := few.AllocateAddress(c, &sdk.AllocateAddressInput{})
	wantCode(t, "a fourth", err, "AddressLimitExceeded", "The maximum number of addresses has been reached.")
	must(few.ReleaseAddress(c, &sdk.ReleaseAddressInput{AllocationId: last}))(t)
	_, err = few.AllocateAddress(c, &sdk.AllocateAddressInput{Address: new("203.0.113.1")})
	wantCode(t, "one that is taken", err, "InvalidAddress.NotFound", "203.0.113.1")
	_, err = few.AllocateAddress(c, &sdk.AllocateAddressInput{Address: new("8.8.8.8")})
	wantCode(t, "one of others", err, "InvalidAddress.NotFound", "8.8.8.8")
	if e := must(few.AllocateAddress(c, &sdk.AllocateAddressInput{Address: new("192.0.2.7")}))(t); *e.PublicIp != "192.0.2.7" {
		t.Errorf("given %s", *e.PublicIp)
	}
}

func TestGatewayEndpoint(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	in := sdk.CreateVpcEndpointInput{VpcId: &b.vpc, ServiceName: new("com.amazonaws.us-west-2.s3"), RouteTableIds: []string{b.privateTable}}
	made := must(a.CreateVpcEndpoint(c, &in))(t).VpcEndpoint
	if got, want := b.tables(t, a)[1], "private: 10.20.0.0/16 local active, 0.0.0.0/0 nat active, a list vpce active"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, err := a.CreateVpcEndpoint(c, &in)
	wantCode(t, "again", err, "RouteAlreadyExists", b.privateTable)
	list := must(a.DescribePrefixLists(c, &sdk.DescribePrefixListsInput{}))(t).PrefixLists[0].PrefixListId
	_, err = a.DeleteRoute(c, &sdk.DeleteRouteInput{RouteTableId: &b.privateTable, DestinationPrefixListId: list})
	wantCode(t, "its route", err, "InvalidParameterValue", "modify the endpoint")
	must(a.ModifyVpcEndpoint(c, &sdk.ModifyVpcEndpointInput{VpcEndpointId: made.VpcEndpointId, AddRouteTableIds: []string{b.publicTable}, RemoveRouteTableIds: []string{b.privateTable}}))(t)
	e := must(a.DescribeVpcEndpoints(c, &sdk.DescribeVpcEndpointsInput{Filters: filter("service-name", "*.s3")}))(t).VpcEndpoints
	if len(e) != 1 || e[0].State != "available" || !slices.Equal(e[0].RouteTableIds, []string{b.publicTable}) || e[0].SubnetIds == nil || e[0].VpcEndpointType != "Gateway" {
		t.Errorf("endpoints %+v", e)
	}
	out := must(a.DeleteVpcEndpoints(c, &sdk.DeleteVpcEndpointsInput{VpcEndpointIds: []string{"vpce-0", *made.VpcEndpointId}}))(t).Unsuccessful
	if len(out) != 1 || *out[0].ResourceId != "vpce-0" || *out[0].Error.Code != "InvalidVpcEndpointId.NotFound" {
		t.Errorf("deleted but for %+v", out)
	}
	if got, want := b.tables(t, a)[2], "public: 10.20.0.0/16 local active, 0.0.0.0/0 igw active"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	_, err = a.CreateVpcEndpoint(c, &sdk.CreateVpcEndpointInput{VpcId: &b.vpc, ServiceName: new("com.amazonaws.us-west-2.dynamodb")})
	wantCode(t, "a service that isn't here", err, "InvalidServiceName", "dynamodb")
	services := must(a.DescribeVpcEndpointServices(c, &sdk.DescribeVpcEndpointServicesInput{Filters: filter("service-type", "Gateway")}))(t)
	if !slices.Equal(services.ServiceNames, []string{"com.amazonaws.us-west-2.s3"}) || *services.ServiceDetails[0].Owner != "amazon" {
		t.Errorf("services %+v", services)
	}
}
