package groups

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// ModifySecurityGroupRules gives rules of a group other contents, all of them
// or none. They keep their ids, their tags and their direction.
func (a *API) ModifySecurityGroupRules(ctx context.Context, in *sdk.ModifySecurityGroupRulesInput) (*sdk.ModifySecurityGroupRulesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ModifySecurityGroupRulesOutput, error) {
		g, err := request.Get(tx, ec2.SecurityGroups, request.Group, aws.ToString(in.GroupId))
		if err != nil {
			return nil, err
		}
		seen := map[string]bool{}
		for _, u := range in.SecurityGroupRules {
			id := aws.ToString(u.SecurityGroupRuleId)
			i, err := indexOf(g, id)
			if err != nil {
				return nil, err
			}
			if seen[id] {
				return nil, awserr.New("InvalidParameterValue", "The security group rule ID '%s' must not appear multiple times", id)
			}
			seen[id] = true
			if g.Rules[i], err = a.reread(tx, g, g.Rules[i], u.SecurityGroupRule); err != nil {
				return nil, err
			}
		}
		if err := distinct(g); err != nil {
			return nil, err
		}
		if err := few(tx, g.Rules); err != nil {
			return nil, err
		}
		return &sdk.ModifySecurityGroupRulesOutput{Return: new(true)}, ec2.SecurityGroups.Put(tx, g.ID, g)
	})
}

// reread returns old, a rule of g, with the contents that r asks for.
func (a *API) reread(tx store.Tx, g ec2.SecurityGroup, old ec2.Rule, r *types.SecurityGroupRuleRequest) (ec2.Rule, error) {
	if r == nil {
		return ec2.Rule{}, awserr.New("MissingParameter", "The request must contain the parameter SecurityGroupRule")
	}
	perm := types.IpPermission{IpProtocol: r.IpProtocol, FromPort: r.FromPort, ToPort: r.ToPort}
	v4, v6, list, group := request.Given(r.CidrIpv4), request.Given(r.CidrIpv6), request.Given(r.PrefixListId), request.Given(r.ReferencedGroupId)
	peers := 0
	for _, peer := range []*string{v4, v6, list, group} {
		if peer != nil {
			peers++
		}
	}
	switch {
	case peers == 0:
		return ec2.Rule{}, awserr.New("MissingParameter", "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId")
	case peers > 1:
		return ec2.Rule{}, awserr.New("InvalidParameterCombination", "Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified")
	case v4 != nil:
		perm.IpRanges = []types.IpRange{{CidrIp: v4, Description: r.Description}}
	case v6 != nil:
		perm.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: v6, Description: r.Description}}
	case list != nil:
		perm.PrefixListIds = []types.PrefixListId{{PrefixListId: list, Description: r.Description}}
	default:
		perm.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: group, Description: r.Description}}
	}
	read, err := parser{tx, a.ns.Account, g.VpcID, old.Egress}.rulesOf(perm)
	if err != nil {
		return ec2.Rule{}, err
	}
	read[0].ID = old.ID
	return read[0], nil
}

// distinct refuses a group in which two rules admit the same.
func distinct(g ec2.SecurityGroup) error {
	for i, r := range g.Rules {
		if slices.ContainsFunc(g.Rules[:i], r.Same) {
			return awserr.New("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, r)
		}
	}
	return nil
}

// UpdateSecurityGroupRuleDescriptionsIngress describes rules anew, all that
// are named or none.
func (a *API) UpdateSecurityGroupRuleDescriptionsIngress(
	ctx context.Context, in *sdk.UpdateSecurityGroupRuleDescriptionsIngressInput,
) (*sdk.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	c := change{groupID: in.GroupId, groupName: in.GroupName, permissions: in.IpPermissions}
	if err := a.redescribe(ctx, c, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &sdk.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: new(true)}, nil
}

// UpdateSecurityGroupRuleDescriptionsEgress describes rules anew, all that
// are named or none.
func (a *API) UpdateSecurityGroupRuleDescriptionsEgress(
	ctx context.Context, in *sdk.UpdateSecurityGroupRuleDescriptionsEgressInput,
) (*sdk.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	c := change{groupID: in.GroupId, groupName: in.GroupName, egress: true, permissions: in.IpPermissions}
	if err := a.redescribe(ctx, c, in.SecurityGroupRuleDescriptions); err != nil {
		return nil, err
	}
	return &sdk.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: new(true)}, nil
}

// redescribe gives rules new descriptions. c names the rules by what they admit,
// or byID names them. A rule that gets none loses the one it has.
func (a *API) redescribe(ctx context.Context, c change, byID []types.SecurityGroupRuleDescription) error {
	var ids []string
	for _, d := range byID {
		if err := checkText("Description", aws.ToString(d.Description)); err != nil {
			return err
		}
		ids = append(ids, aws.ToString(d.SecurityGroupRuleId))
	}
	return a.db.Update(ctx, func(tx store.Tx) error {
		g, named, err := a.resolve(tx, c)
		if err != nil {
			return err
		}
		found, err := find(g, c.egress, named, ids, "securityGroupRuleDescriptions")
		if err != nil {
			return err
		}
		for n, r := range found {
			i, err := indexOf(g, r.ID)
			if err != nil {
				return err
			}
			if len(named) > 0 {
				g.Rules[i].Description = named[n].Description
			} else {
				g.Rules[i].Description = aws.ToString(byID[n].Description)
			}
		}
		return ec2.SecurityGroups.Put(tx, g.ID, g)
	})
}
