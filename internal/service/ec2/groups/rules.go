package groups

import (
	"context"
	"fmt"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
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
func (a *API) AuthorizeSecurityGroupIngress(ctx context.Context, in *sdk.AuthorizeSecurityGroupIngressInput) (*sdk.AuthorizeSecurityGroupIngressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.authorize(ctx, openedIngress(in), in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &sdk.AuthorizeSecurityGroupIngressOutput{Return: new(true), SecurityGroupRules: rules}, nil
}

// AuthorizeSecurityGroupEgress lets more out. AWS takes only permissions here.
func (a *API) AuthorizeSecurityGroupEgress(ctx context.Context, in *sdk.AuthorizeSecurityGroupEgressInput) (*sdk.AuthorizeSecurityGroupEgressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.authorize(ctx, egressOf(in.GroupId, in.IpPermissions), in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &sdk.AuthorizeSecurityGroupEgressOutput{Return: new(true), SecurityGroupRules: rules}, nil
}

// RevokeSecurityGroupIngress takes rules back, all that are named or none.
func (a *API) RevokeSecurityGroupIngress(ctx context.Context, in *sdk.RevokeSecurityGroupIngressInput) (*sdk.RevokeSecurityGroupIngressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.revoke(ctx, closedIngress(in), in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &sdk.RevokeSecurityGroupIngressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, nil
}

// RevokeSecurityGroupEgress takes rules back, all that are named or none.
func (a *API) RevokeSecurityGroupEgress(ctx context.Context, in *sdk.RevokeSecurityGroupEgressInput) (*sdk.RevokeSecurityGroupEgressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	rules, err := a.revoke(ctx, egressOf(in.GroupId, in.IpPermissions), in.SecurityGroupRuleIds)
	if err != nil {
		return nil, err
	}
	return &sdk.RevokeSecurityGroupEgressOutput{Return: new(true), RevokedSecurityGroupRules: rules}, nil
}

func openedIngress(in *sdk.AuthorizeSecurityGroupIngressInput) change {
	return change{
		in.GroupId, in.GroupName, false, in.IpPermissions,
		flat{in.IpProtocol, in.FromPort, in.ToPort, in.CidrIp, in.SourceSecurityGroupName, in.SourceSecurityGroupOwnerId},
	}
}

func closedIngress(in *sdk.RevokeSecurityGroupIngressInput) change {
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

// faults returns the faults of c that show without looking at records.
func (c change) faults() (f awserr.Faults) {
	switch {
	case c.groupID == nil && c.groupName == nil:
		f.Add(noGroup())
	case c.groupID != nil && c.groupName != nil:
		f.Add(twoGroups())
	case c.groupID != nil:
		f.Add(request.Group.Check(*c.groupID))
	}
	perms, err := c.all()
	if err != nil {
		f.Add(err)
		perms = c.permissions
	}
	f.Add(permissionFaults(perms)...)
	return f
}

// authorizeFaults returns the faults of a request to open a group that show without looking at records.
func (c change) authorizeFaults(specs []types.TagSpecification) awserr.Faults {
	f := request.TagSpecFaults(request.Rule.Type, specs)
	f.Add(c.faults()...)
	if c.flat == (flat{}) && len(c.permissions) == 0 {
		f.Add(noPermissions())
	}
	return f
}

// revokeFaults returns the faults of a request to close a group that show without looking at records.
func (c change) revokeFaults(ids []string) awserr.Faults {
	f := c.faults()
	named := c.flat != (flat{}) || len(c.permissions) > 0
	f.Add(namedFault(named, len(ids) > 0, "securityGroupRuleIds"))
	for _, id := range ids {
		f.Add(request.Rule.Check(id))
	}
	return f
}

func noPermissions() error {
	return awserr.New("MissingParameter", "The request must contain the parameter ipPermissions")
}

// namedFault refuses a request that names rules both by what they admit and by id, or not at all. parameter is
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
func (a *API) resolve(tx store.Tx, c change) (ec2.SecurityGroup, []ec2.Rule, error) {
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
	tags, err := request.TagsFor(request.Rule.Type, specs)
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
		if err := add(tx, &g, added); err != nil {
			return nil, err
		}
		var out []types.SecurityGroupRule
		for _, r := range added {
			if err := request.PutTags(tx, r.ID, request.Rule.Type, tags); err != nil {
				return nil, err
			}
			out = append(out, a.ruleShape(ruleView{r, g.ID}, request.TagType.To(tags)))
		}
		return out, ec2.SecurityGroups.Put(tx, g.ID, g)
	})
}

// add gives the rules ids and adds them to g, which must not have them yet.
func add(tx store.Tx, g *ec2.SecurityGroup, rules []ec2.Rule) error {
	for i, r := range rules {
		if slices.ContainsFunc(rules[:i], r.Same) {
			return awserr.New("InvalidParameterValue", "The same permission must not appear multiple times")
		}
		if slices.ContainsFunc(g.Rules, r.Same) {
			return awserr.New("InvalidPermission.Duplicate", `the specified rule "%s" already exists`, r)
		}
	}
	if err := few(tx, append(slices.Clone(g.Rules), rules...)); err != nil {
		return err
	}
	for i := range rules {
		rules[i].ID = ec2.NewID("sgr")
	}
	g.Rules = append(g.Rules, rules...)
	return nil
}

// few refuses more rules than a group may have. One that names a prefix list counts as the most entries that the list may
// have.
func few(tx store.Tx, rules []ec2.Rule) error {
	n := len(rules)
	for _, r := range rules {
		if r.PrefixList == "" {
			continue
		}
		l, err := ec2.PrefixLists.Get(tx, r.PrefixList)
		if err != nil {
			return fmt.Errorf("read %s: %w", r.PrefixList, err)
		}
		n += int(l.MaxEntries) - 1
	}
	if n > maxRules {
		return awserr.New("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
	}
	return nil
}

func (a *API) revoke(ctx context.Context, c change, ids []string) ([]types.RevokedSecurityGroupRule, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) ([]types.RevokedSecurityGroupRule, error) {
		g, named, err := a.resolve(tx, c)
		if err != nil {
			return nil, err
		}
		removed, err := find(g, c.egress, named, ids, "securityGroupRuleIds")
		if err != nil {
			return nil, err
		}
		var out []types.RevokedSecurityGroupRule
		for _, r := range removed {
			g.Rules = slices.DeleteFunc(g.Rules, func(o ec2.Rule) bool { return o.ID == r.ID })
			out = append(out, revokedShape(ruleView{r, g.ID}))
		}
		if err := request.DropTags(tx, idsOf(removed)...); err != nil {
			return nil, err
		}
		return out, ec2.SecurityGroups.Put(tx, g.ID, g)
	})
}

func idsOf(rules []ec2.Rule) []string {
	ids := make([]string, len(rules))
	for i, r := range rules {
		ids[i] = r.ID
	}
	return ids
}

// find returns the rules of g that a request names, by what they admit or by id,
// in the request's order. parameter is the one that takes ids.
func find(g ec2.SecurityGroup, egress bool, named []ec2.Rule, ids []string, parameter string) ([]ec2.Rule, error) {
	if err := namedFault(len(named) > 0, len(ids) > 0, parameter); err != nil {
		return nil, err
	}
	var out []ec2.Rule
	for _, r := range named {
		i := slices.IndexFunc(g.Rules, r.Same)
		if i < 0 {
			return nil, awserr.New("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
		}
		out = append(out, g.Rules[i])
	}
	for _, id := range ids {
		i, err := indexOf(g, id)
		if err == nil && g.Rules[i].Egress != egress {
			err = request.Rule.NotFound(id)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, g.Rules[i])
	}
	return out, nil
}

// indexOf returns the index of the rule with that id.
func indexOf(g ec2.SecurityGroup, id string) (int, error) {
	if err := request.Rule.Check(id); err != nil {
		return 0, err
	}
	i := slices.IndexFunc(g.Rules, func(r ec2.Rule) bool { return r.ID == id })
	if i < 0 {
		return 0, request.Rule.NotFound(id)
	}
	return i, nil
}

// ruleView is a rule and the group that it is of.
type ruleView struct {
	ec2.Rule
	group string
}

// ruleViews returns the rules of all groups, sorted by id.
func ruleViews(tx store.Tx) ([]ruleView, error) {
	groups, err := ec2.SecurityGroups.List(tx, "")
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

// RuleByID returns a rule and its group's id.
func RuleByID(tx store.Tx, id string) (ec2.Rule, string, error) {
	if err := request.Rule.Check(id); err != nil {
		return ec2.Rule{}, "", err
	}
	all, err := ruleViews(tx)
	if err != nil {
		return ec2.Rule{}, "", err
	}
	i := slices.IndexFunc(all, func(r ruleView) bool { return r.ID == id })
	if i < 0 {
		return ec2.Rule{}, "", request.Rule.NotFound(id)
	}
	return all[i].Rule, all[i].group, nil
}

// DescribeSecurityGroupRules lists the rules of groups.
func (a *API) DescribeSecurityGroupRules(ctx context.Context, in *sdk.DescribeSecurityGroupRulesInput) (*sdk.DescribeSecurityGroupRulesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeSecurityGroupRulesOutput, error) {
		all, err := ruleViews(tx)
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		l := list.Of[ruleView]{Kind: request.Rule, ID: func(r ruleView) string { return r.ID }, Fields: map[string]func(ruleView) []string{
			"group-id":               func(r ruleView) []string { return []string{r.group} },
			"security-group-rule-id": func(r ruleView) []string { return []string{r.ID} },
		}}
		chosen, next, err := l.Answer(all, list.Question{IDs: in.SecurityGroupRuleIds, Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeSecurityGroupRulesOutput{SecurityGroupRules: []types.SecurityGroupRule{}, NextToken: next}
		for _, r := range chosen {
			out.SecurityGroupRules = append(out.SecurityGroupRules, a.ruleShape(r, request.TagType.To(tags[r.ID].Tags)))
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
	out.CidrIpv4, out.CidrIpv6 = ranges(r.Rule)
	out.PrefixListId = handler.Optional(r.PrefixList)
	if r.Group != "" {
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
	out.CidrIpv4, out.CidrIpv6 = ranges(r.Rule)
	out.PrefixListId = handler.Optional(r.PrefixList)
	if r.Group != "" {
		out.ReferencedGroupId = &r.Group
	}
	return out
}
