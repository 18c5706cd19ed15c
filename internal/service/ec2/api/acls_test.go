package api

import (
	"fmt"
	"slices"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ec2"
)

// entriesOf returns an ACL's entries in words.
func entriesOf(t *testing.T, a env, acl string) (out []string) {
	t.Helper()
	l := must(a.DescribeNetworkAcls(t.Context(), &sdk.DescribeNetworkAclsInput{NetworkAclIds: []string{acl}}))(t).NetworkAcls[0]
	for _, e := range l.Entries {
		s := fmt.Sprint(*e.RuleNumber, " ", e.RuleAction, " ", *e.Protocol)
		if *e.Egress {
			s = "out " + s
		}
		for _, cidr := range []*string{e.CidrBlock, e.Ipv6CidrBlock} {
			if cidr != nil {
				s += " " + *cidr
			}
		}
		if e.PortRange != nil {
			s += fmt.Sprint(" ports ", *e.PortRange.From, "-", *e.PortRange.To)
		}
		if e.IcmpTypeCode != nil {
			s += fmt.Sprint(" type ", *e.IcmpTypeCode.Type, " code ", *e.IcmpTypeCode.Code)
		}
		out = append(out, s)
	}
	return out
}

func TestNetworkACLs(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	in := sdk.CreateNetworkAclInput{VpcId: &b.vpc, ClientToken: new("once")}
	acl := must(a.CreateNetworkAcl(c, &in))(t).NetworkAcl
	if again := must(a.CreateNetworkAcl(c, &in))(t).NetworkAcl; *again.NetworkAclId != *acl.NetworkAclId || *acl.IsDefault {
		t.Errorf("the same token made %+v and %+v", acl, again)
	}
	id := acl.NetworkAclId
	put := func(number int32, egress bool, protocol, cidr string, ports *types.PortRange, icmp *types.IcmpTypeCode) *sdk.CreateNetworkAclEntryInput {
		return &sdk.CreateNetworkAclEntryInput{NetworkAclId: id, RuleNumber: &number, Egress: &egress, Protocol: &protocol, RuleAction: types.RuleActionAllow, CidrBlock: &cidr, PortRange: ports, IcmpTypeCode: icmp}
	}
	ports := &types.PortRange{From: new(int32(80)), To: new(int32(443))}
	must(a.CreateNetworkAclEntry(c, put(200, false, "tcp", "0.0.0.0/0", ports, nil)))(t)
	must(a.CreateNetworkAclEntry(c, put(100, false, "6", "10.0.0.1/8", ports, nil)))(t)
	must(a.CreateNetworkAclEntry(c, put(100, true, "-1", "0.0.0.0/0", ports, nil)))(t)
	must(a.CreateNetworkAclEntry(c, put(150, false, "1", "0.0.0.0/0", nil, &types.IcmpTypeCode{Type: new(int32(3)), Code: new(int32(-1))})))(t)
	v6 := put(160, false, "47", "", nil, nil)
	v6.Ipv6CidrBlock = new("::/0")
	must(a.CreateNetworkAclEntry(c, v6))(t)
	want := []string{
		"out 100 allow -1 0.0.0.0/0", "out 32767 deny -1 0.0.0.0/0",
		"100 allow 6 10.0.0.0/8 ports 80-443", "150 allow 1 0.0.0.0/0 type 3 code -1", "160 allow 47 ::/0", "200 allow 6 0.0.0.0/0 ports 80-443",
		"32767 deny -1 0.0.0.0/0",
	}
	if diff := cmp.Diff(want, entriesOf(t, a, *id)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	deny := sdk.ReplaceNetworkAclEntryInput{NetworkAclId: id, RuleNumber: new(int32(200)), Egress: new(false), Protocol: new("17"), RuleAction: types.RuleActionDeny, CidrBlock: new("192.0.2.0/24"), PortRange: ports}
	must(a.ReplaceNetworkAclEntry(c, &deny))(t)
	must(a.DeleteNetworkAclEntry(c, &sdk.DeleteNetworkAclEntryInput{NetworkAclId: id, RuleNumber: new(int32(100)), Egress: new(false)}))(t)
	want = []string{
		"out 100 allow -1 0.0.0.0/0", "out 32767 deny -1 0.0.0.0/0",
		"150 allow 1 0.0.0.0/0 type 3 code -1", "160 allow 47 ::/0", "200 deny 17 192.0.2.0/24 ports 80-443", "32767 deny -1 0.0.0.0/0",
	}
	if diff := cmp.Diff(want, entriesOf(t, a, *id)); diff != "" {
		t.Errorf("entries after a change (-want +got):\n%s", diff)
	}
	deny.RuleNumber = new(int32(201))
	_, err := a.ReplaceNetworkAclEntry(c, &deny)
	wantCode(t, "replaced", err, "InvalidNetworkAclEntry.NotFound", "ingress network acl entry identified by 201")
	_, err = a.DeleteNetworkAclEntry(c, &sdk.DeleteNetworkAclEntryInput{NetworkAclId: id, RuleNumber: new(int32(32767)), Egress: new(false)})
	wantCode(t, "the last one", err, "InvalidParameterValue", "ruleNumber")
	for name, tc := range map[string]struct {
		in          *sdk.CreateNetworkAclEntryInput
		code, words string
	}{
		"again":         {put(200, false, "-1", "0.0.0.0/0", nil, nil), "NetworkAclEntryAlreadyExists", "identified by 200 already exists"},
		"no ports":      {put(1, false, "tcp", "0.0.0.0/0", nil, nil), "MissingParameter", "PortRange.From"},
		"ports":         {put(1, false, "17", "0.0.0.0/0", &types.PortRange{From: new(int32(9)), To: new(int32(8))}, nil), "InvalidParameterValue", "(9, 8)"},
		"no type":       {put(1, false, "icmp", "0.0.0.0/0", nil, nil), "MissingParameter", "Icmp.Type"},
		"type":          {put(1, false, "1", "0.0.0.0/0", nil, &types.IcmpTypeCode{Type: new(int32(256)), Code: new(int32(0))}), "InvalidParameterValue", "256"},
		"protocol":      {put(1, false, "http", "0.0.0.0/0", nil, nil), "InvalidParameterValue", "'http'"},
		"number":        {put(0, false, "-1", "0.0.0.0/0", nil, nil), "InvalidParameterValue", "ruleNumber"},
		"range":         {put(1, false, "-1", "0.0.0.0", nil, nil), "InvalidParameterValue", "cidrBlock"},
		"no range":      {put(1, false, "-1", "", nil, nil), "MissingParameter", "cidrBlock"},
		"another's ACL": {&sdk.CreateNetworkAclEntryInput{NetworkAclId: new("acl-0"), RuleNumber: new(int32(1)), Egress: new(false), Protocol: new("-1"), RuleAction: types.RuleActionAllow, CidrBlock: new("0.0.0.0/0")}, "InvalidNetworkAclID.NotFound", "acl-0"},
	} {
		_, err := a.CreateNetworkAclEntry(c, tc.in)
		wantCode(t, name, err, tc.code, tc.words)
	}
	for n := range int32(38) { // with the one that there is and the last one, as many as there may be
		must(a.CreateNetworkAclEntry(c, put(1000+n, true, "-1", "10.0.0.0/8", nil, nil)))(t)
	}
	_, err = a.CreateNetworkAclEntry(c, put(2000, true, "-1", "10.0.0.0/8", nil, nil))
	wantCode(t, "one too many", err, "NetworkAclEntryLimitExceeded", "maximum number")
}

// TestNetworkACLAssociations: each subnet has one ACL at any time, and one that a subnet has stays.
func TestNetworkACLAssociations(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	acl := must(a.CreateNetworkAcl(c, &sdk.CreateNetworkAclInput{VpcId: &b.vpc}))(t).NetworkAcl.NetworkAclId
	of := func(subnet string) types.NetworkAclAssociation {
		l := must(a.DescribeNetworkAcls(c, &sdk.DescribeNetworkAclsInput{Filters: filter("association.subnet-id", subnet)}))(t).NetworkAcls
		if len(l) != 1 {
			t.Fatalf("%s has %d ACLs", subnet, len(l))
		}
		return l[0].Associations[slices.IndexFunc(l[0].Associations, func(s types.NetworkAclAssociation) bool { return *s.SubnetId == subnet })]
	}
	before := of(b.public)
	moved := must(a.ReplaceNetworkAclAssociation(c, &sdk.ReplaceNetworkAclAssociationInput{AssociationId: before.NetworkAclAssociationId, NetworkAclId: acl}))(t).NewAssociationId
	if now := of(b.public); *now.NetworkAclId != *acl || *now.NetworkAclAssociationId != *moved || *moved == *before.NetworkAclAssociationId || *of(b.private).NetworkAclId == *acl {
		t.Errorf("moved from %v to %v", before, now)
	}
	_, err := a.DeleteNetworkAcl(c, &sdk.DeleteNetworkAclInput{NetworkAclId: acl})
	wantCode(t, "in use", err, "DependencyViolation", b.public)
	_, err = a.DeleteNetworkAcl(c, &sdk.DeleteNetworkAclInput{NetworkAclId: before.NetworkAclId})
	wantCode(t, "the default one", err, "InvalidParameterValue", "default network ACL")
	_, err = a.ReplaceNetworkAclAssociation(c, &sdk.ReplaceNetworkAclAssociationInput{AssociationId: before.NetworkAclAssociationId, NetworkAclId: acl})
	wantCode(t, "an association that was replaced", err, "InvalidAssociationID.NotFound", *before.NetworkAclAssociationId)
	other := of(firstSubnet(t, a).ID)
	_, err = a.ReplaceNetworkAclAssociation(c, &sdk.ReplaceNetworkAclAssociationInput{AssociationId: other.NetworkAclAssociationId, NetworkAclId: acl})
	wantCode(t, "another VPC's", err, "InvalidParameterValue", "different networks")
	must(a.ReplaceNetworkAclAssociation(c, &sdk.ReplaceNetworkAclAssociationInput{AssociationId: moved, NetworkAclId: before.NetworkAclId}))(t)
	must(a.DeleteNetworkAcl(c, &sdk.DeleteNetworkAclInput{NetworkAclId: acl}))(t)
	if n := len(records(t, a, ec2.NetworkACLs)); n != 2 {
		t.Errorf("%d ACLs left", n)
	}
}
