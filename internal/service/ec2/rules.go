package ec2

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// maxRules is how many rules a group may have in both directions.
const maxRules = 1000

// change is a request to open or close a group in one direction.
type change struct {
	groupID, groupName *string
	egress             bool
	permissions        []types.IpPermission
	flat               flat
}

// AuthorizeSecurityGroupIngress lets more in.
func (a *API) AuthorizeSecurityGroupIngress(ctx context.Context, in *ec2.AuthorizeSecurityGroupIngressInput) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.authorize(ctx, openedIngress(in), in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &ec2.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: rules}, nil
}

// AuthorizeSecurityGroupEgress lets more out. AWS takes only permissions here.
func (a *API) AuthorizeSecurityGroupEgress(ctx context.Context, in *ec2.AuthorizeSecurityGroupEgressInput) (*ec2.AuthorizeSecurityGroupEgressOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.authorize(ctx, egressOf(in.GroupId, in.IpPermissions), in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &ec2.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: rules}, nil
}

// RevokeSecurityGroupIngress takes rules back, all that are named or none.
func (a *API) RevokeSecurityGroupIngress(ctx context.Context, in *ec2.RevokeSecurityGroupIngressInput) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.revoke(ctx, closedIngress(in), in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &ec2.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, nil
}

// RevokeSecurityGroupEgress takes rules back, all that are named or none.
func (a *API) RevokeSecurityGroupEgress(ctx context.Context, in *ec2.RevokeSecurityGroupEgressInput) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.revoke(ctx, egressOf(in.GroupId, in.IpPermissions), in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &ec2.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, nil
}

func openedIngress(in *ec2.AuthorizeSecurityGroupIngressInput) change {
	return change{
		in.GroupId, in.GroupName, false, in.IpPermissions,
		flat{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId},
	}
}

func closedIngress(in *ec2.RevokeSecurityGroupIngressInput) change {
	return change{
		in.GroupId, in.GroupName, false, in.IpPermissions,
		flat{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId},
	}
}

func egressOf(group *string, permissions []types.IpPermission) change {
	return change{groupID: group, egress: true, permissions: permissions}
}

// all returns the permissions that c names in either form.
func (c change) all() ([]types.IpPermission, error) {
	one, err := c.flat.permissions()
	if err != nil {
		return nil, err
	}
	if len(one) > 0 && len(c.permissions) > 0 {
		return nil, awserr.New("InvalidParameterCombination", "The parameter ipPermissions cannot be used with cidrIp, ipProtocol, fromPort, toPort or sourceSecurityGroupName")
	}
	return append(slices.Clone(c.permissions), one...), nil
}

// faults is what is wrong with c, whichever groups there are.
func (c change) faults() (f awserr.Faults) {
	switch {
	case c.groupID == nil && c.groupName == nil:
		f.Add(noGroup())
	case c.groupID != nil && c.groupName != nil:
		f.Add(twoGroups())
	case c.groupID != nil:
		f.Add(kindGroup.check(*c.groupID))
	}
	perms, err := c.all()
	if err != nil {
		f.Add(err)
		perms = c.permissions
	}
	f.Add(permissionFaults(perms)...)
	return f
}

// authorizeFaults is what is wrong with a request to open a group, whichever there are.
func (c change) authorizeFaults(specs []types.TagSpecification) awserr.Faults {
	f := tagSpecFaults(kindRule.typ, specs)
	f.Add(c.faults()...)
	if c.flat == (flat{}) && len(c.permissions) == 0 {
		f.Add(noPermissions())
	}
	return f
}

// revokeFaults is what is wrong with a request to close a group, whichever there are.
func (c change) revokeFaults(ids []string) awserr.Faults {
	f := c.faults()
	named := c.flat != (flat{}) || len(c.permissions) > 0
	f.Add(namedFault(named, len(ids) > 0, "securityGroupRuleIds"))
	for _, id := range ids {
		f.Add(kindRule.check(id))
	}
	return f
}

func noPermissions() error {
	return awserr.New("MissingParameter", "The request must contain the parameter ipPermissions")
}

// namedFault refuses rules that are named both by what they admit and by id, or not at all. parameter is
// the one that takes ids.
func namedFault(byContent, byID bool, parameter string) error {
	switch {
	case byContent && byID:
		return awserr.New("InvalidParameterCombination", "The parameter %s cannot be used with ipPermissions", parameter)
	case !byContent && !byID:
		return awserr.New("MissingParameter", "The request must contain the parameter ipPermissions or %s", parameter)
	}
	return nil
}

// resolve returns the group that c is about and the rules that it names.
func (a *API) resolve(tx store.Tx, c change) (SecurityGroup, []Rule, error) {
	g, err := groupBy(tx, c.groupID, c.groupName)
	if err != nil {
		return g, nil, err
	}
	perms, err := c.all()
	if err != nil {
		return g, nil, err
	}
	rules, err := parser{tx, a.ns.Account, g.VpcID, c.egress}.rules(perms)
	return g, rules, err
}

func (a *API) authorize(ctx context.Context, c change, specs []types.TagSpecification) ([]types.SecurityGroupRule, error) {
	tags, err := tagsFor(kindRule.typ, specs)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) ([]types.SecurityGroupRule, error) {
		g, added, err := a.resolve(tx, c)
		if err != nil {
			return nil, err
		}
		if len(added) == 0 {
			return nil, noPermissions()
		}
		if err := g.add(added); err != nil {
			return nil, err
		}
		var out []types.SecurityGroupRule
		for _, r := range added {
			if err := putTags(tx, r.ID, kindRule.typ, tags); err != nil {
				return nil, err
			}
			out = append(out, a.ruleShape(ruleView{r, g.ID}, tagType.To(tags)))
		}
		return out, SecurityGroups.Put(tx, g.ID, g)
	})
}

// add gives the rules ids and adds them to g, which must not have them yet.
func (g *SecurityGroup) add(rules []Rule) error {
	for i, r := range rules {
		if slices.ContainsFunc(rules[:i], r.same) {
			return awserr.New("InvalidParameterValue", "The same permission must not appear multiple times")
		}
		if slices.ContainsFunc(g.Rules, r.same) {
			return awserr.New("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, r)
		}
	}
	if len(g.Rules)+len(rules) > maxRules {
		return awserr.New("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	for i := range rules {
		rules[i].ID = newID("sgr")
	}
	g.Rules = append(g.Rules, rules...)
	return nil
}

func (a *API) revoke(ctx context.Context, c change, ids []string) ([]types.RevokedSecurityGroupRule, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) ([]types.RevokedSecurityGroupRule, error) {
		g, named, err := a.resolve(tx, c)
		if err != nil {
			return nil, err
		}
		removed, err := g.find(c.egress, named, ids, "securityGroupRuleIds")
		if err != nil {
			return nil, err
		}
		var out []types.RevokedSecurityGroupRule
		for _, r := range removed {
			g.Rules = slices.DeleteFunc(g.Rules, func(o Rule) bool { return o.ID == r.ID })
			out = append(out, revokedShape(ruleView{r, g.ID}))
		}
		if err := dropTags(tx, idsOf(removed)...); err != nil {
			return nil, err
		}
		return out, SecurityGroups.Put(tx, g.ID, g)
	})
}

func idsOf(rules []Rule) []string {
	ids := make([]string, len(rules))
	for i, r := range rules {
		ids[i] = r.ID
	}
	return ids
}

// find returns those of g's rules that are named by what they admit or by id,
// in the order in which they are named. parameter is the one that takes ids.
func (g SecurityGroup) find(egress bool, named []Rule, ids []string, parameter string) ([]Rule, error) {
	if err := namedFault(len(named) > 0, len(ids) > 0, parameter); err != nil {
		return nil, err
	}
	var out []Rule
	for _, r := range named {
		i := slices.IndexFunc(g.Rules, r.same)
		if i < 0 {
			return nil, awserr.New("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		out = append(out, g.Rules[i])
	}
	for _, id := range ids {
		i, err := g.byID(id)
		if err == nil && g.Rules[i].Egress != egress {
			err = kindRule.notFound(id)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, g.Rules[i])
	}
	return out, nil
}

// byID returns the index of the rule that is called id.
func (g SecurityGroup) byID(id string) (int, error) {
	if err := kindRule.check(id); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(g.Rules, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return 0, kindRule.notFound(id)
	}
	return i, nil
}

// ruleView is a rule and the group that it is of.
type ruleView struct {
	Rule
	group string
}

// ruleViews returns the rules of all groups, sorted by id.
func ruleViews(tx store.Tx) ([]ruleView, error) {
	groups, err := SecurityGroups.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list security groups: %w", err)
	}
	var out []ruleView
	for _, g := range groups {
		for _, r := range g.Rules {
			out = append(out, ruleView{r, g.ID})
		}
	}
	slices.SortFunc(out, func(a, b ruleView) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// ruleByID returns a rule and its group's id.
func ruleByID(tx store.Tx, id string) (Rule, string, error) {
	if err := kindRule.check(id); err != nil {
		return Rule{}, "", err
	}
	all, err := ruleViews(tx)
	if err != nil {
		return Rule{}, "", err
	}
	i := slices.IndexFunc(all, func(r ruleView) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, "", kindRule.notFound(id)
	}
	return all[i].Rule, all[i].group, nil
}

// DescribeSecurityGroupRules lists the rules of groups.
func (a *API) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*ec2.DescribeSecurityGroupRulesOutput, error) {
		all, err := ruleViews(tx)
		if err != nil {
			return nil, err
		}
		tags, err := allTags(tx)
		if err != nil {
			return nil, err
		}
		l := listing[ruleView]{kindRule, func(r ruleView) string { return r.ID }, map[string]func(ruleView) []string{
			"group-id":               func(r ruleView) []string { return []string{r.group} },
			"security-group-rule-id": func(r ruleView) []string { return []string{r.ID} },
		}}
		chosen, next, err := l.answer(all, question{in.SecurityGroupRuleIds, in.Filters, in.MaxResults, in.NextToken}, tags)
		if err != nil {
			return nil, err
		}
		out := &ec2.DescribeSecurityGroupRulesOutput{SecurityGroupRules: []types.SecurityGroupRule{}, NextToken: next}
		for _, r := range chosen {
			out.SecurityGroupRules = append(out.SecurityGroupRules, a.ruleShape(r, tagType.To(tags[r.ID].Tags)))
		}
		return out, nil
	})
}

func (a *API) ruleShape(r ruleView, tags []types.Tag) types.SecurityGroupRule {
	out := types.SecurityGroupRule{
		SecurityGroupRuleId: &r.ID, SecurityGroupRuleArn: new(a.ns.ARN("ec2", "security-group-rule/"+r.ID)),
		GroupId: &r.group, GroupOwnerId: &a.ns.Account, IsEgress: &r.Egress,
		IpProtocol: &r.Protocol, FromPort: &r.From, ToPort: &r.To, Tags: tags,
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	out.CidrIpv4, out.CidrIpv6 = r.ranges()
	if !r.CIDR.IsValid() {
		out.ReferencedGroupInfo = &types.ReferencedSecurityGroup{GroupId: &r.Group, UserId: &a.ns.Account}
	}
	return out
}

func revokedShape(r ruleView) types.RevokedSecurityGroupRule {
	out := types.RevokedSecurityGroupRule{
		SecurityGroupRuleId: &r.ID, GroupId: &r.group, IsEgress: &r.Egress,
		IpProtocol: &r.Protocol, FromPort: &r.From, ToPort: &r.To,
	}
	if r.Description != "" {
		out.Description = &r.Description
	}
	out.CidrIpv4, out.CidrIpv6 = r.ranges()
	if !r.CIDR.IsValid() {
		out.ReferencedGroupId = &r.Group
	}
	return out
}
