package groups

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// CreateSecurityGroup makes a group that lets nobody in and everybody out.
func (a *API) CreateSecurityGroup(ctx context.Context, in *sdk.CreateSecurityGroupInput) (*sdk.CreateSecurityGroupOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newGroupFaults(in).First(); err != nil {
		return nil, err
	}
	g := ec2.SecurityGroup{ID: ec2.NewID("sg"), Name: nameOf(in), Description: aws.ToString(in.Description), Rules: []ec2.Rule{ec2.EgressToAll()}}
	tags, err := request.TagsFor(request.Group.Type, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		if g.VpcID, err = vpcFor(tx, in.VpcId); err != nil {
			return err
		}
		all, err := ec2.SecurityGroups.List(tx, "")
		if err != nil {
			return fmt.Errorf("list security groups: %w", err)
		}
		// Names have no case, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html.
		if slices.ContainsFunc(all, func(o ec2.SecurityGroup) bool { return o.VpcID == g.VpcID && strings.EqualFold(o.Name, g.Name) }) {
			return awserr.New("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.Name, g.VpcID)
		}
		if err := request.PutTags(tx, g.ID, request.Group.Type, tags); err != nil {
			return err
		}
		return ec2.SecurityGroups.Put(tx, g.ID, g)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateSecurityGroupOutput{GroupId: &g.ID, SecurityGroupArn: new(a.groupARN(g)), Tags: request.TagType.To(tags)}, nil
}

func (a *API) groupARN(g ec2.SecurityGroup) string { return a.ns.ARN("ec2", "security-group/"+g.ID) }

// vpcFor returns the VPC that a request names, else the default one.
func vpcFor(tx store.Tx, id *string) (string, error) {
	if aws.ToString(id) != "" {
		v, err := request.Get(tx, ec2.Vpcs, request.Vpc, *id)
		return v.ID, err
	}
	v, err := ec2.DefaultVpc(tx)
	if err == nil && v.ID == "" {
		err = awserr.New("VPCIdNotSpecified", "No default VPC for this user")
	}
	return v.ID, err
}

// nameOf is the name of a new group, without trailing spaces.
func nameOf(in *sdk.CreateSecurityGroupInput) string {
	return strings.TrimRight(aws.ToString(in.GroupName), " ")
}

// newGroupFaults returns the faults of a new group that show without looking at records.
func newGroupFaults(in *sdk.CreateSecurityGroupInput) (f awserr.Faults) {
	name, description := nameOf(in), aws.ToString(in.Description)
	if name == "" {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter GroupName"))
	}
	if description == "" {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter GroupDescription"))
	}
	switch {
	case strings.EqualFold(name, ec2.DefaultGroupName):
		f.Add(awserr.New("InvalidGroup.Reserved", "The security group '%s' is reserved", name))
	case strings.HasPrefix(name, "sg-"):
		f.Add(awserr.New("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name))
	}
	f.Add(checkText("GroupName", name), checkText("GroupDescription", description))
	f.Add(request.TagSpecFaults(request.Group.Type, in.TagSpecifications)...)
	return f
}

var allowedText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*$`)

// checkText refuses what AWS does not take in names and descriptions.
func checkText(parameter, s string) error {
	if len(s) > 255 {
		return awserr.New("InvalidParameterValue", "Value (%s) for parameter %s is invalid. It must not be longer than 255 characters.", s, parameter)
	}
	if !allowedText.MatchString(s) {
		return awserr.New("InvalidParameterValue",
			"Value (%s) for parameter %s is invalid. Valid characters are a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{}!$*.", s, parameter)
	}
	return nil
}

// DeleteSecurityGroup deletes a group that nothing uses.
func (a *API) DeleteSecurityGroup(ctx context.Context, in *sdk.DeleteSecurityGroupInput) (*sdk.DeleteSecurityGroupOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteSecurityGroupOutput, error) {
		g, err := groupBy(tx, in.GroupId, in.GroupName)
		if err != nil {
			return nil, err
		}
		if g.Name == ec2.DefaultGroupName {
			return nil, awserr.New("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
		}
		members, err := ec2.Interfaces.By(tx, "group", g.ID)
		if err != nil {
			return nil, err
		}
		referrers, err := ec2.SecurityGroups.By(tx, "refers", g.ID)
		if err != nil {
			return nil, err
		}
		// Rules in other VPCs, over peering connections, become stale instead.
		referrers = slices.DeleteFunc(referrers, func(r ec2.SecurityGroup) bool { return r.VpcID != g.VpcID })
		if len(members)+len(referrers) > 0 {
			return nil, awserr.New("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		if err := request.DropTags(tx, append(idsOf(g.Rules), g.ID)...); err != nil {
			return nil, err
		}
		return &sdk.DeleteSecurityGroupOutput{GroupId: &g.ID, Return: new(true)}, ec2.SecurityGroups.Delete(tx, g.ID)
	})
}

// DescribeSecurityGroups lists groups.
func (a *API) DescribeSecurityGroups(ctx context.Context, in *sdk.DescribeSecurityGroupsInput) (*sdk.DescribeSecurityGroupsOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeSecurityGroupsOutput, error) {
		all, err := ec2.SecurityGroups.List(tx, "")
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		q := list.Question{IDs: slices.Clone(in.GroupIds), Filters: in.Filters, Max: in.MaxResults, Token: in.NextToken}
		for _, name := range in.GroupNames {
			g, err := groupByName(tx, name)
			if err != nil {
				return nil, err
			}
			q.IDs = append(q.IDs, g.ID)
		}
		chosen, next, err := a.groupListing(all).Answer(slices.Clone(all), q, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeSecurityGroupsOutput{SecurityGroups: []types.SecurityGroup{}, NextToken: next}
		for _, g := range chosen {
			out.SecurityGroups = append(out.SecurityGroups, a.groupShape(g, request.TagType.To(tags[g.ID].Tags)))
		}
		return out, nil
	})
}

// groupListing takes all groups, for the names of those that rules refer to.
func (a *API) groupListing(all []ec2.SecurityGroup) list.Of[ec2.SecurityGroup] {
	type see = func(ec2.SecurityGroup) []string
	fields := map[string]see{
		"description": func(g ec2.SecurityGroup) []string { return list.One(g.Description) },
		"group-id":    func(g ec2.SecurityGroup) []string { return list.One(g.ID) },
		"group-name":  func(g ec2.SecurityGroup) []string { return list.One(g.Name) },
		"owner-id":    list.Always[ec2.SecurityGroup](a.ns.Account),
		"vpc-id":      func(g ec2.SecurityGroup) []string { return list.One(g.VpcID) },
	}
	names := map[string]string{}
	for _, g := range all {
		names[g.ID] = g.Name
	}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		for name, of := range map[string]func(ec2.Rule) string{
			"cidr":           func(r ec2.Rule) string { v4, _ := ranges(r); return aws.ToString(v4) },
			"from-port":      func(r ec2.Rule) string { return strconv.Itoa(int(r.From)) },
			"group-id":       func(r ec2.Rule) string { return r.Group },
			"group-name":     func(r ec2.Rule) string { return names[r.Group] },
			"ipv6-cidr":      func(r ec2.Rule) string { _, v6 := ranges(r); return aws.ToString(v6) },
			"prefix-list-id": func(r ec2.Rule) string { return r.PrefixList },
			"protocol":       func(r ec2.Rule) string { return r.Protocol },
			"to-port":        func(r ec2.Rule) string { return strconv.Itoa(int(r.To)) },
			"user-id":        func(r ec2.Rule) string { return peerAccount(r, a.ns.Account) },
		} {
			fields[prefix+name] = seeRules(egress, of)
		}
	}
	return list.Of[ec2.SecurityGroup]{Kind: request.Group, ID: func(g ec2.SecurityGroup) string { return g.ID }, Fields: fields}
}

// seeRules returns a field with the values that of has for a group's rules in one
// direction. It leaves out "".
func seeRules(egress bool, of func(ec2.Rule) string) func(ec2.SecurityGroup) []string {
	return func(g ec2.SecurityGroup) (out []string) {
		for _, r := range g.Rules {
			if s := of(r); r.Egress == egress && s != "" {
				out = append(out, s)
			}
		}
		return out
	}
}

// ranges returns r's range as one of IPv4 or one of IPv6; neither when its
// peer is a group.
func ranges(r ec2.Rule) (v4, v6 *string) {
	switch {
	case !r.CIDR.IsValid():
		return nil, nil
	case r.CIDR.Addr().Is4():
		return new(r.CIDR.String()), nil
	default:
		return nil, new(r.CIDR.String())
	}
}

func peerAccount(r ec2.Rule, account string) string {
	if r.Group != "" {
		return account
	}
	return ""
}

func (a *API) groupShape(g ec2.SecurityGroup, tags []types.Tag) types.SecurityGroup {
	return types.SecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VpcID, OwnerId: &a.ns.Account,
		SecurityGroupArn: new(a.groupARN(g)), Tags: tags,
		IpPermissions:       permissionShapes(g.Rules, false, a.ns.Account),
		IpPermissionsEgress: permissionShapes(g.Rules, true, a.ns.Account),
	}
}
