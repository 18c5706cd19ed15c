package api

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire"
)

var testNS = arn.Namespace{Region: "us-west-2", Account: "123456789012"}

// account returns the service as it is after the first start.
// env is an API with a store of its own.
type env struct {
	*API
	db store.DB
}

func account(t testing.TB) env {
	t.Helper()
	return accountWith(t, netip.Prefix{})
}

func accountWith(t testing.TB, cidr netip.Prefix) env {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { db.Close() })
	a := env{New(db, testNS, Host{CIDR: cidr}), db}
	if err := a.EnsureDefaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	return a
}

func wantCode(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("%s: got %v, want %s with %q", what, err, code, message)
	}
}

func filter(name string, values ...string) []types.Filter {
	return []types.Filter{{Name: &name, Values: values}}
}

func TestOperationsFitTheirDescriptors(t *testing.T) {
	t.Parallel()
	if _, err := wire.NewService("ec2", account(t).Operations()...); err != nil {
		t.Fatal(err)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	a := account(t)
	vpcs, err := a.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{})
	if err != nil || len(vpcs.Vpcs) != 1 || *vpcs.Vpcs[0].CidrBlock != "172.31.0.0/16" || !*vpcs.Vpcs[0].IsDefault {
		t.Fatalf("VPCs: %+v, %v", vpcs, err)
	}
	subnets, err := a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range subnets.Subnets {
		got = append(got, fmt.Sprint(*s.AvailabilityZone, " ", *s.AvailabilityZoneId, " ", *s.CidrBlock, " ", *s.AvailableIpAddressCount))
	}
	slices.Sort(got)
	want := []string{"us-west-2a usw2-az1 172.31.0.0/20 4091", "us-west-2b usw2-az2 172.31.16.0/20 4091", "us-west-2c usw2-az3 172.31.32.0/20 4091"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
	groups, err := a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{})
	if err != nil || len(groups.SecurityGroups) != 1 {
		t.Fatalf("groups: %+v, %v", groups, err)
	}
	g := groups.SecurityGroups[0]
	if *g.GroupName != "default" || *g.Description != "default VPC security group" {
		t.Errorf("group %s: %s", *g.GroupName, *g.Description)
	}
	if in := g.IpPermissions; len(in) != 1 || *in[0].IpProtocol != "-1" || in[0].FromPort != nil || *in[0].UserIdGroupPairs[0].GroupId != *g.GroupId {
		t.Errorf("ingress %+v, want all from the group itself", in)
	}
	if out := g.IpPermissionsEgress; len(out) != 1 || *out[0].IpRanges[0].CidrIp != "0.0.0.0/0" {
		t.Errorf("egress %+v, want all to anywhere", out)
	}
	tables, err := a.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{Filters: filter("association.main", "true")})
	if err != nil || len(tables.RouteTables) != 1 || len(tables.RouteTables[0].Routes) != 2 {
		t.Fatalf("route tables: %+v, %v", tables, err)
	}
	gateways, err := a.DescribeInternetGateways(t.Context(), &sdk.DescribeInternetGatewaysInput{Filters: filter("attachment.vpc-id", *vpcs.Vpcs[0].VpcId)})
	if err != nil || len(gateways.InternetGateways) != 1 || *gateways.InternetGateways[0].InternetGatewayId != *tables.RouteTables[0].Routes[1].GatewayId {
		t.Errorf("gateways: %+v, %v, want the one of the route", gateways, err)
	}
}

func TestDefaultsAreMadeOnce(t *testing.T) {
	t.Parallel()
	a := account(t)
	before, err := a.DefaultSubnets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.EnsureDefaults(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := a.DefaultSubnets(t.Context())
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("subnets were made anew: %v, %v", after, err)
	}
	elsewhere := New(a.db, testNS, Host{CIDR: netip.MustParsePrefix("10.0.0.0/16")})
	if err := elsewhere.EnsureDefaults(t.Context()); err == nil || !strings.Contains(err.Error(), "--vpc-cidr 172.31.0.0/16") {
		t.Errorf("with another range: %v, want advice", err)
	}
	moved := New(a.db, arn.Namespace{Region: "eu-west-1", Account: testNS.Account}, Host{})
	if err := moved.EnsureDefaults(t.Context()); err == nil || !strings.Contains(err.Error(), "--region us-west-2") {
		t.Errorf("in another region: %v, want advice", err)
	}
}

func TestZones(t *testing.T) {
	t.Parallel()
	a := account(t)
	for name, tc := range map[string]struct {
		in   sdk.DescribeAvailabilityZonesInput
		want string
	}{
		"all":            {sdk.DescribeAvailabilityZonesInput{}, "us-west-2a us-west-2b us-west-2c"},
		"by name":        {sdk.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-west-2b"}}, "us-west-2b"},
		"by id":          {sdk.DescribeAvailabilityZonesInput{ZoneIds: []string{"usw2-az3"}}, "us-west-2c"},
		"by filter":      {sdk.DescribeAvailabilityZonesInput{Filters: filter("zone-name", "*a", "*c")}, "us-west-2a us-west-2c"},
		"another region": {sdk.DescribeAvailabilityZonesInput{Filters: filter("region-name", "eu-*")}, ""},
	} {
		out, err := a.DescribeAvailabilityZones(t.Context(), &tc.in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, z := range out.AvailabilityZones {
			got = append(got, *z.ZoneName)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %v, want %s", name, got, tc.want)
		}
	}
	_, err := a.DescribeAvailabilityZones(t.Context(), &sdk.DescribeAvailabilityZonesInput{ZoneNames: []string{"us-west-2z"}})
	wantCode(t, "no such zone", err, "InvalidParameterValue", "[us-west-2z]")
}

// TestFilters holds each kind's filters to seeing what is there.
func TestFilters(t *testing.T) {
	t.Parallel()
	a := account(t)
	subnets, err := a.DefaultSubnets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := subnets[0]
	for _, tc := range []struct {
		filters []types.Filter
		want    int
	}{
		{filter("availability-zone", s.AZ), 1},
		{filter("availabilityZone", "us-west-2?"), 3},
		{filter("availability-zone-id", s.AZID), 1},
		{filter("cidr-block", "172.31.0.0/20", "172.31.16.0/20"), 2},
		{filter("default-for-az", "true"), 3},
		{filter("defaultForAz", "false"), 0},
		{filter("available-ip-address-count", "4091"), 3},
		{filter("subnet-arn", "arn:aws:ec2:us-west-2:123456789012:subnet/"+s.ID), 1},
		{filter("subnet-id", s.ID, "subnet-none"), 1},
		{filter("vpc-id", s.VpcID), 3},
		{filter("vpc-id", "VPC-*"), 0},
		{filter("owner-id", "123456789012"), 3},
		{filter("state", "available"), 3},
		{filter("outpost-arn", "*"), 0},
		{filter("tag:Name", "*"), 0},
		{append(filter("vpc-id", s.VpcID), filter("availability-zone", s.AZ)...), 1},
	} {
		out, err := a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: tc.filters})
		if err != nil || len(out.Subnets) != tc.want {
			t.Errorf("%s=%v: %d subnets, %v, want %d", *tc.filters[0].Name, tc.filters[0].Values, len(out.Subnets), err, tc.want)
		}
	}
	_, err = a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: filter("colour", "red")})
	wantCode(t, "an unknown filter", err, "InvalidParameterValue", "The filter 'colour' is invalid")
	_, err = a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: filter("state")})
	wantCode(t, "a filter without values", err, "InvalidParameterValue", "at least one value")
	vpcs, err := a.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{Filters: filter("isDefault", "true")})
	if err != nil || len(vpcs.Vpcs) != 1 {
		t.Errorf("default VPC: %v, %v", vpcs, err)
	}
}

func TestPaging(t *testing.T) {
	t.Parallel()
	a := account(t)
	seen := map[string]bool{}
	var token *string
	for range 3 {
		out, err := a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{MaxResults: new(int32(1)), NextToken: token})
		if err != nil || len(out.Subnets) != 1 {
			t.Fatalf("page: %+v, %v", out, err)
		}
		seen[*out.Subnets[0].SubnetId] = true
		token = out.NextToken
	}
	if len(seen) != 3 || token != nil {
		t.Errorf("saw %v, then a token %v; want all three and none", seen, token)
	}
	_, err := a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{NextToken: new("%")})
	wantCode(t, "a bad token", err, "InvalidNextToken", "")
	_, err = a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{MaxResults: new(int32(5)), SubnetIds: []string{"subnet-1"}})
	wantCode(t, "ids and a limit", err, "InvalidParameterCombination", "subnetIds")
}

func TestIDs(t *testing.T) {
	t.Parallel()
	a := account(t)
	_, err := a.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{VpcIds: []string{"vpc-0"}})
	wantCode(t, "VPC", err, "InvalidVpcID.NotFound", "The vpc ID 'vpc-0' does not exist")
	_, err = a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{SubnetIds: []string{"subnet-0"}})
	wantCode(t, "subnet", err, "InvalidSubnetID.NotFound", "The subnet ID 'subnet-0' does not exist")
	_, err = a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{"sg-0123456789abcdef0"}})
	wantCode(t, "group", err, "InvalidGroup.NotFound", "The security group 'sg-0123456789abcdef0' does not exist")
	_, err = a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{"web"}})
	wantCode(t, "malformed group", err, "InvalidGroupId.Malformed", `Invalid id: "web" (expecting "sg-...")`)
	_, err = a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupNames: []string{"web"}})
	wantCode(t, "group by name", err, "InvalidGroup.NotFound", "The security group 'web' does not exist in default VPC 'vpc-")
	_, err = a.DescribeSecurityGroupRules(t.Context(), &sdk.DescribeSecurityGroupRulesInput{SecurityGroupRuleIds: []string{"sgr-0123456789abcdef0"}})
	wantCode(t, "rule", err, "InvalidSecurityGroupRuleId.NotFound", "sgr-0123456789abcdef0")
	_, err = a.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-01234567"}})
	wantCode(t, "interface", err, "InvalidNetworkInterfaceID.NotFound", "eni-01234567")
	_, err = a.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{RouteTableIds: []string{"rtb-0123456789abcdef0"}})
	wantCode(t, "route table", err, "InvalidRouteTableID.NotFound", "rtb-0123456789abcdef0")
	_, err = a.DescribeInternetGateways(t.Context(), &sdk.DescribeInternetGatewaysInput{InternetGatewayIds: []string{"igw-0"}})
	wantCode(t, "gateway", err, "InvalidInternetGatewayID.NotFound", "igw-0")
	for _, id := range []string{"sg-x", "sg-0", "sg-0123456789ABCDEF0", "sg-0123456789abcdef01", "sg-"} {
		_, err = a.DescribeSecurityGroups(t.Context(), &sdk.DescribeSecurityGroupsInput{GroupIds: []string{id}})
		wantCode(t, "group "+id, err, "InvalidGroupId.Malformed", `Invalid id: "`+id+`"`)
		_, err = a.DeleteSecurityGroup(t.Context(), &sdk.DeleteSecurityGroupInput{GroupId: &id})
		wantCode(t, "group to be deleted "+id, err, "InvalidGroupId.Malformed", id)
	}
	_, err = a.DescribeNetworkInterfaces(t.Context(), &sdk.DescribeNetworkInterfacesInput{NetworkInterfaceIds: []string{"eni-0"}})
	wantCode(t, "malformed interface", err, "InvalidNetworkInterfaceId.Malformed", "eni-0")
	_, err = a.DescribeRouteTables(t.Context(), &sdk.DescribeRouteTablesInput{RouteTableIds: []string{"main"}})
	wantCode(t, "malformed route table", err, "InvalidRouteTableId.Malformed", `(expecting "rtb-...")`)
	_, err = a.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: []string{"sgr-0"}, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}})
	wantCode(t, "malformed rule", err, "InvalidSecurityGroupRuleId.Malformed", "sgr-0")
	_, err = a.DescribeVpcs(t.Context(), &sdk.DescribeVpcsInput{DryRun: new(true)})
	wantCode(t, "dry run", err, "DryRunOperation", "Request would have succeeded")
}

func TestTags(t *testing.T) {
	t.Parallel()
	a := account(t)
	subnets, err := a.DefaultSubnets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := subnets[0].ID
	tags := []types.Tag{{Key: new("Name"), Value: new("front")}, {Key: new("env"), Value: new("test")}}
	if _, err := a.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: []string{id, subnets[1].ID}, Tags: tags}); err != nil {
		t.Fatal(err)
	}
	out, err := a.DescribeSubnets(t.Context(), &sdk.DescribeSubnetsInput{Filters: filter("tag:Name", "fr*"), SubnetIds: []string{id}})
	if err != nil || len(out.Subnets) != 1 || len(out.Subnets[0].Tags) != 2 || *out.Subnets[0].Tags[0].Key != "Name" {
		t.Fatalf("subnets by tag: %+v, %v", out, err)
	}
	if _, err := a.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("Name"), Value: new("other")}, {Key: new("env")}}}); err != nil {
		t.Fatal(err)
	}
	left, err := a.DescribeTags(t.Context(), &sdk.DescribeTagsInput{Filters: filter("resource-id", id)})
	if err != nil || len(left.Tags) != 1 || *left.Tags[0].Key != "Name" || left.Tags[0].ResourceType != types.ResourceTypeSubnet {
		t.Errorf("tags left: %+v, %v, want Name: its value did not match", left, err)
	}
	byValue, err := a.DescribeTags(t.Context(), &sdk.DescribeTagsInput{Filters: filter("tag:env", "test")})
	if err != nil || len(byValue.Tags) != 1 || *byValue.Tags[0].ResourceId != subnets[1].ID {
		t.Errorf("tags by value: %+v, %v", byValue, err)
	}
	if _, err := a.DeleteTags(t.Context(), &sdk.DeleteTagsInput{Resources: []string{id, subnets[1].ID}}); err != nil {
		t.Fatal(err)
	}
	if none, err := a.DescribeTags(t.Context(), &sdk.DescribeTagsInput{}); err != nil || len(none.Tags) != 0 {
		t.Errorf("tags left after all were deleted: %+v, %v", none, err)
	}
	_, err = a.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: []string{id, "vpc-0"}, Tags: tags})
	wantCode(t, "a resource that is not there", err, "InvalidVpcID.NotFound", "vpc-0")
	_, err = a.CreateTags(t.Context(), &sdk.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: new("aws:x")}}})
	wantCode(t, "a reserved key", err, "InvalidParameterValue", "reserved")
}

// records reads all of a table.
func records[T any](t testing.TB, a env, table *store.Table[T]) []T {
	t.Helper()
	all, err := handler.View(t.Context(), a.db, func(tx store.Tx) ([]T, error) { return table.List(tx, "") })
	if err != nil {
		t.Fatal(err)
	}
	return all
}
