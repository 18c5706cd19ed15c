package groups

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// peered returns the id of the active peering connection of two VPCs; "" when there is none.
func peered(tx store.Tx, a, b string) (string, error) {
	for p, err := range ec2.Peerings.Peek(tx, "") {
		if err != nil {
			return "", err
		}
		if p.State == ec2.PeeringActive && p.Other(a) == b {
			return p.ID, nil
		}
	}
	return "", nil
}

// DescribeSecurityGroupReferences tells which VPCs at the other ends of peering connections have rules that name groups.
func (a *API) DescribeSecurityGroupReferences(ctx context.Context, in *sdk.DescribeSecurityGroupReferencesInput) (*sdk.DescribeSecurityGroupReferencesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeSecurityGroupReferencesOutput, error) {
		out := &sdk.DescribeSecurityGroupReferencesOutput{SecurityGroupReferenceSet: []types.SecurityGroupReference{}}
		for _, id := range in.GroupId {
			g, err := request.Get(tx, ec2.SecurityGroups, request.Group, id)
			if err != nil {
				return nil, err
			}
			referrers, err := ec2.SecurityGroups.By(tx, "refers", g.ID)
			if err != nil {
				return nil, err
			}
			told := map[string]bool{g.VpcID: true}
			for _, r := range referrers {
				if told[r.VpcID] {
					continue
				}
				told[r.VpcID] = true
				connection, err := peered(tx, g.VpcID, r.VpcID)
				if err != nil {
					return nil, err
				}
				if connection != "" {
					out.SecurityGroupReferenceSet = append(out.SecurityGroupReferenceSet, types.SecurityGroupReference{GroupId: &g.ID, ReferencingVpcId: &r.VpcID, VpcPeeringConnectionId: &connection})
				}
			}
		}
		return out, nil
	})
}

// DescribeStaleSecurityGroups lists the groups of a VPC with rules that name groups of others which are gone, or whose
// VPC isn't peered with it any more.
func (a *API) DescribeStaleSecurityGroups(ctx context.Context, in *sdk.DescribeStaleSecurityGroupsInput) (*sdk.DescribeStaleSecurityGroupsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeStaleSecurityGroupsOutput, error) {
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		all, err := ec2.SecurityGroups.List(tx, "")
		if err != nil {
			return nil, err
		}
		homes := map[string]string{} // the VPCs of groups
		for _, g := range all {
			homes[g.ID] = g.VpcID
		}
		stale := []types.StaleSecurityGroup{}
		for _, g := range all {
			if g.VpcID != vpc.ID {
				continue
			}
			var rules []ec2.Rule
			for _, r := range g.Rules {
				gone, err := isStale(tx, g, r, homes)
				if err != nil {
					return nil, err
				}
				if gone {
					rules = append(rules, r)
				}
			}
			if len(rules) > 0 {
				stale = append(stale, a.staleShape(g, rules))
			}
		}
		of := list.Of[types.StaleSecurityGroup]{ID: func(s types.StaleSecurityGroup) string { return *s.GroupId }}
		page, next, err := of.Answer(stale, list.Question{Max: in.MaxResults, Token: in.NextToken}, nil)
		return &sdk.DescribeStaleSecurityGroupsOutput{StaleSecurityGroupSet: page, NextToken: next}, err
	})
}

// isStale tells whether r, of g, names a group that can't be its peer any more.
func isStale(tx store.Tx, g ec2.SecurityGroup, r ec2.Rule, homes map[string]string) (bool, error) {
	home := homes[r.Group]
	if r.Group == "" || home == g.VpcID {
		return false, nil
	}
	connection, err := peered(tx, g.VpcID, home)
	return connection == "", err
}

func (a *API) staleShape(g ec2.SecurityGroup, rules []ec2.Rule) types.StaleSecurityGroup {
	permissions := func(egress bool) []types.StaleIpPermission {
		out := []types.StaleIpPermission{}
		for _, p := range permissionShapes(rules, egress, a.ns.Account) {
			out = append(out, types.StaleIpPermission{FromPort: p.FromPort, ToPort: p.ToPort, IpProtocol: p.IpProtocol, UserIdGroupPairs: p.UserIdGroupPairs, IpRanges: []string{}, PrefixListIds: []string{}})
		}
		return out
	}
	return types.StaleSecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VpcID,
		StaleIpPermissions: permissions(false), StaleIpPermissionsEgress: permissions(true),
	}
}

// GetSecurityGroupsForVpc lists the groups that interfaces in a VPC may be in.
func (a *API) GetSecurityGroupsForVpc(ctx context.Context, in *sdk.GetSecurityGroupsForVpcInput) (*sdk.GetSecurityGroupsForVpcOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.GetSecurityGroupsForVpcOutput, error) {
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		all, err := ec2.SecurityGroups.List(tx, "")
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		of := list.Of[ec2.SecurityGroup]{Kind: request.Group, ID: func(g ec2.SecurityGroup) string { return g.ID }, Fields: map[string]func(ec2.SecurityGroup) []string{
			"description":    func(g ec2.SecurityGroup) []string { return list.One(g.Description) },
			"group-id":       func(g ec2.SecurityGroup) []string { return list.One(g.ID) },
			"group-name":     func(g ec2.SecurityGroup) []string { return list.One(g.Name) },
			"owner-id":       list.Always[ec2.SecurityGroup](a.ns.Account),
			"primary-vpc-id": func(g ec2.SecurityGroup) []string { return list.One(g.VpcID) },
		}}
		all = slices.DeleteFunc(all, func(g ec2.SecurityGroup) bool { return g.VpcID != vpc.ID })
		page, next, err := of.Answer(all, list.Question{Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.GetSecurityGroupsForVpcOutput{SecurityGroupForVpcs: []types.SecurityGroupForVpc{}, NextToken: next}
		for _, g := range page {
			out.SecurityGroupForVpcs = append(out.SecurityGroupForVpcs, types.SecurityGroupForVpc{
				GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, OwnerId: &a.ns.Account, PrimaryVpcId: &g.VpcID, Tags: request.TagType.To(tags[g.ID].Tags),
			})
		}
		return out, nil
	})
}
