package acls

import (
	"context"
	"net/netip"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// DescribeNetworkAcls lists network ACLs.
func (a *API) DescribeNetworkAcls(ctx context.Context, in *sdk.DescribeNetworkAclsInput) (*sdk.DescribeNetworkAclsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	q := list.Question{IDs: in.NetworkAclIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
	all, next, err := list.Describe(ctx, a.db, ec2.NetworkACLs, a.listing(), q, a.shape)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeNetworkAclsOutput{NetworkAcls: all, NextToken: next}, nil
}

func (a *API) listing() list.Of[ec2.NetworkACL] {
	type see = func(ec2.NetworkACL) []string
	ends := func(field func(ec2.ACLAssociation) string) see {
		return func(l ec2.NetworkACL) (out []string) {
			for _, s := range l.Associations {
				out = append(out, field(s))
			}
			return out
		}
	}
	entries := func(field func(types.NetworkAclEntry) string) see {
		return func(l ec2.NetworkACL) (out []string) {
			for _, e := range entryShapes(l) {
				if s := field(e); s != "" {
					out = append(out, s)
				}
			}
			return out
		}
	}
	return list.Of[ec2.NetworkACL]{Kind: request.ACL, ID: func(l ec2.NetworkACL) string { return l.ID }, Fields: map[string]see{
		"association.association-id": ends(func(s ec2.ACLAssociation) string { return s.ID }),
		"association.network-acl-id": func(l ec2.NetworkACL) []string { return list.One(l.ID) },
		"association.subnet-id":      ends(func(s ec2.ACLAssociation) string { return s.SubnetID }),
		"default":                    func(l ec2.NetworkACL) []string { return list.Truth(l.Default) },
		"entry.cidr":                 entries(func(e types.NetworkAclEntry) string { return text(e.CidrBlock) }),
		"entry.icmp.code": entries(func(e types.NetworkAclEntry) string {
			if e.IcmpTypeCode == nil {
				return ""
			}
			return number(e.IcmpTypeCode.Code)
		}),
		"entry.icmp.type": entries(func(e types.NetworkAclEntry) string {
			if e.IcmpTypeCode == nil {
				return ""
			}
			return number(e.IcmpTypeCode.Type)
		}),
		"entry.ipv6-cidr": entries(func(e types.NetworkAclEntry) string { return text(e.Ipv6CidrBlock) }),
		"entry.port-range.from": entries(func(e types.NetworkAclEntry) string {
			if e.PortRange == nil {
				return ""
			}
			return number(e.PortRange.From)
		}),
		"entry.port-range.to": entries(func(e types.NetworkAclEntry) string {
			if e.PortRange == nil {
				return ""
			}
			return number(e.PortRange.To)
		}),
		"entry.protocol":    entries(func(e types.NetworkAclEntry) string { return *e.Protocol }),
		"entry.rule-action": entries(func(e types.NetworkAclEntry) string { return string(e.RuleAction) }),
		"entry.egress":      entries(func(e types.NetworkAclEntry) string { return strconv.FormatBool(*e.Egress) }),
		"entry.rule-number": entries(func(e types.NetworkAclEntry) string { return number(e.RuleNumber) }),
		"network-acl-id":    func(l ec2.NetworkACL) []string { return list.One(l.ID) },
		"owner-id":          list.Always[ec2.NetworkACL](a.ns.Account),
		"vpc-id":            func(l ec2.NetworkACL) []string { return list.One(l.VpcID) },
	}}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func number(n *int32) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(int(*n))
}

func (a *API) shape(l ec2.NetworkACL, tags []types.Tag) types.NetworkAcl {
	out := types.NetworkAcl{
		NetworkAclId: &l.ID, VpcId: &l.VpcID, OwnerId: &a.ns.Account, IsDefault: &l.Default, Tags: tags,
		Associations: []types.NetworkAclAssociation{}, Entries: entryShapes(l),
	}
	for _, s := range l.Associations {
		out.Associations = append(out.Associations, types.NetworkAclAssociation{NetworkAclAssociationId: &s.ID, NetworkAclId: &l.ID, SubnetId: &s.SubnetID})
	}
	return out
}

// entryShapes returns the entries as answers have them: egress first, each direction with the last one, which denies all.
func entryShapes(l ec2.NetworkACL) []types.NetworkAclEntry {
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	out := []types.NetworkAclEntry{}
	for _, egress := range []bool{true, false} {
		for _, e := range l.Entries {
			if e.Egress == egress {
				out = append(out, entryShape(e))
			}
		}
		out = append(out, entryShape(ec2.ACLEntry{Number: ec2.LastACLRule, Egress: egress, Protocol: -1, CIDR: all}))
	}
	return out
}

func entryShape(e ec2.ACLEntry) types.NetworkAclEntry {
	out := types.NetworkAclEntry{RuleNumber: &e.Number, Egress: &e.Egress, Protocol: new(strconv.Itoa(int(e.Protocol))), RuleAction: types.RuleActionDeny}
	if e.Allow {
		out.RuleAction = types.RuleActionAllow
	}
	if e.CIDR.Addr().Is4() {
		out.CidrBlock = new(e.CIDR.String())
	} else {
		out.Ipv6CidrBlock = new(e.CIDR.String())
	}
	switch e.Protocol {
	case 6, 17:
		out.PortRange = &types.PortRange{From: &e.From, To: &e.To}
	case 1, 58:
		out.IcmpTypeCode = &types.IcmpTypeCode{Type: &e.From, Code: &e.To}
	}
	return out
}
