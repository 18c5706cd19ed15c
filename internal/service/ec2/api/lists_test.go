package api

import (
	"fmt"
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
)

func makeList(t *testing.T, a env, most int32, ranges ...string) string {
	t.Helper()
	in := &sdk.CreateManagedPrefixListInput{PrefixListName: new("offices"), AddressFamily: new("IPv4"), MaxEntries: &most}
	for _, r := range ranges {
		in.Entries = append(in.Entries, types.AddPrefixListEntry{Cidr: &r, Description: new("the office")})
	}
	return *must(a.CreateManagedPrefixList(t.Context(), in))(t).PrefixList.PrefixListId
}

func entriesIn(t *testing.T, a env, list string, version *int64) (out []string) {
	t.Helper()
	for _, e := range must(a.GetManagedPrefixListEntries(t.Context(), &sdk.GetManagedPrefixListEntriesInput{PrefixListId: &list, TargetVersion: version}))(t).Entries {
		out = append(out, *e.Cidr)
	}
	return out
}

func TestPrefixLists(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	id := makeList(t, a, 3, "192.0.2.1/24", "198.51.100.0/24")
	one := int64(1)
	modify := func(version int64, in sdk.ModifyManagedPrefixListInput) error {
		in.PrefixListId = &id
		if version > 0 {
			in.CurrentVersion = &version
		}
		_, err := a.ModifyManagedPrefixList(c, &in)
		return err
	}
	change := sdk.ModifyManagedPrefixListInput{
		AddEntries: []types.AddPrefixListEntry{{Cidr: new("203.0.113.0/24")}}, RemoveEntries: []types.RemovePrefixListEntry{{Cidr: new("192.0.2.0/24")}},
	}
	wantCode(t, "no version", modify(0, change), "MissingParameter", "currentVersion")
	wantCode(t, "another version", modify(2, change), "PrefixListVersionMismatch", "is 1")
	if err := modify(1, change); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(entriesIn(t, a, id, nil), entriesIn(t, a, id, &one)), "[198.51.100.0/24 203.0.113.0/24] [192.0.2.0/24 198.51.100.0/24]"; got != want {
		t.Errorf("entries now and in version 1: %s, want %s", got, want)
	}
	wantCode(t, "an entry that isn't there", modify(2, sdk.ModifyManagedPrefixListInput{RemoveEntries: []types.RemovePrefixListEntry{{Cidr: new("10.0.0.0/8")}}}), "InvalidParameterValue", "10.0.0.0/8")
	wantCode(t, "too many", modify(2, sdk.ModifyManagedPrefixListInput{AddEntries: []types.AddPrefixListEntry{{Cidr: new("10.0.0.0/8")}, {Cidr: new("11.0.0.0/8")}}}), "PrefixListMaxEntriesExceeded", "3")
	wantCode(t, "the wrong family", modify(2, sdk.ModifyManagedPrefixListInput{AddEntries: []types.AddPrefixListEntry{{Cidr: new("fd00::/8")}}}), "InvalidParameterValue", "fd00::/8")
	wantCode(t, "size and entries", modify(2, sdk.ModifyManagedPrefixListInput{MaxEntries: new(int32(9)), AddEntries: change.AddEntries}), "InvalidParameterCombination", "size of a prefix list")
	wantCode(t, "smaller than it is", modify(0, sdk.ModifyManagedPrefixListInput{MaxEntries: new(int32(1))}), "PrefixListMaxEntriesExceeded", "1")
	if err := modify(0, sdk.ModifyManagedPrefixListInput{MaxEntries: new(int32(9)), PrefixListName: new("sites")}); err != nil {
		t.Error(err)
	}
	must(a.RestoreManagedPrefixListVersion(c, &sdk.RestoreManagedPrefixListVersionInput{PrefixListId: &id, PreviousVersion: &one, CurrentVersion: new(int64(2))}))(t)
	l := must(a.DescribeManagedPrefixLists(c, &sdk.DescribeManagedPrefixListsInput{Filters: filter("prefix-list-name", "sites")}))(t).PrefixLists
	if len(l) != 1 || *l[0].Version != 3 || l[0].State != types.PrefixListStateModifyComplete || *l[0].MaxEntries != 9 || len(entriesIn(t, a, id, nil)) != 2 {
		t.Errorf("restored: %+v", l)
	}
	aws := must(a.DescribeManagedPrefixLists(c, &sdk.DescribeManagedPrefixListsInput{Filters: filter("owner-id", "AWS")}))(t).PrefixLists
	if len(aws) != 1 || aws[0].Version != nil || aws[0].MaxEntries != nil {
		t.Errorf("of services: %+v", aws)
	}
	_, err := a.DeleteManagedPrefixList(c, &sdk.DeleteManagedPrefixListInput{PrefixListId: aws[0].PrefixListId})
	wantCode(t, "a service's", err, "UnauthorizedOperation", *aws[0].PrefixListId)
	must(a.DeleteManagedPrefixList(c, &sdk.DeleteManagedPrefixListInput{PrefixListId: &id}))(t)
	if n := len(records(t, a, ec2.PrefixListVersions)); n != 0 {
		t.Errorf("%d versions left", n)
	}
}

// TestPrefixListsInUse: a list counts as its most entries where it is named, and can't go meanwhile.
func TestPrefixListsInUse(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	id := makeList(t, a, 600, "203.0.113.0/24")
	web := createGroup(t, a, "web")
	perm := types.IpPermission{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), PrefixListIds: []types.PrefixListId{{PrefixListId: &id, Description: new("offices")}}}
	rule := authorize(t, a, web, perm)[0]
	if *rule.PrefixListId != id || rule.CidrIpv4 != nil || rule.ReferencedGroupInfo != nil {
		t.Errorf("made %+v", rule)
	}
	g := must(a.DescribeSecurityGroups(c, &sdk.DescribeSecurityGroupsInput{Filters: filter("ip-permission.prefix-list-id", id)}))(t).SecurityGroups
	if len(g) != 1 || *g[0].IpPermissions[0].PrefixListIds[0].PrefixListId != id || len(g[0].IpPermissions[0].UserIdGroupPairs) != 0 {
		t.Errorf("groups %+v", g)
	}
	perm.FromPort, perm.ToPort = new(int32(81)), new(int32(81))
	_, err := a.AuthorizeSecurityGroupIngress(c, &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: []types.IpPermission{perm}})
	wantCode(t, "1,200 rules", err, "RulesPerSecurityGroupLimitExceeded", "maximum number of rules")
	must(a.CreateRoute(c, &sdk.CreateRouteInput{RouteTableId: &b.publicTable, DestinationPrefixListId: &id, NatGatewayId: &b.nat}))(t)
	_, err = a.ModifyManagedPrefixList(c, &sdk.ModifyManagedPrefixListInput{PrefixListId: &id, MaxEntries: new(int32(1000))})
	wantCode(t, "too large for its users", err, "InvalidParameterValue", "too many")
	users := must(a.GetManagedPrefixListAssociations(c, &sdk.GetManagedPrefixListAssociationsInput{PrefixListId: &id}))(t).PrefixListAssociations
	var ids []string
	for _, u := range users {
		ids = append(ids, *u.ResourceId)
	}
	if !slices.Equal(ids, []string{b.publicTable, web}) {
		t.Errorf("used by %v", ids)
	}
	_, err = a.DeleteManagedPrefixList(c, &sdk.DeleteManagedPrefixListInput{PrefixListId: &id})
	wantCode(t, "in use", err, "DependencyViolation", web)
	must(a.ModifySecurityGroupRules(c, &sdk.ModifySecurityGroupRulesInput{GroupId: &web, SecurityGroupRules: []types.SecurityGroupRuleUpdate{{
		SecurityGroupRuleId: rule.SecurityGroupRuleId, SecurityGroupRule: &types.SecurityGroupRuleRequest{IpProtocol: new("tcp"), FromPort: new(int32(80)), ToPort: new(int32(80)), CidrIpv4: new("10.0.0.0/8")},
	}}}))(t)
	must(a.DeleteRoute(c, &sdk.DeleteRouteInput{RouteTableId: &b.publicTable, DestinationPrefixListId: &id}))(t)
	must(a.DeleteManagedPrefixList(c, &sdk.DeleteManagedPrefixListInput{PrefixListId: &id}))(t)
	_, err = a.AuthorizeSecurityGroupIngress(c, &sdk.AuthorizeSecurityGroupIngressInput{GroupId: &web, IpPermissions: []types.IpPermission{perm}})
	wantCode(t, "a list that is gone", err, "InvalidPrefixListID.NotFound", id)
}
