package ec2

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// CreateSecurityGroup makes a group that lets nobody in and everybody out.
func (a *API) CreateSecurityGroup(ctx context.Context, in *ec2.CreateSecurityGroupInput) (*ec2.CreateSecurityGroupOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	if err := newGroupFaults(in).First(); err != nil {
		return nil, err
	}
	g := SecurityGroup{ID: newID("sg"), Name: nameOf(in), Description: deref(in.Description), Rules: []Rule{egressToAll()}}
	tags, err := tagsFor(kindGroup.typ, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		if g.VpcID, err = vpcFor(tx, in.VpcId); err != nil {
			return err
		}
		all, err := SecurityGroups.List(tx, "")
		if err != nil {
			return fmt.Errorf("list security groups: %w", err)
		}
		// Names have no case, https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html.
		if slices.ContainsFunc(all, func(o SecurityGroup) bool { return o.VpcID == g.VpcID && strings.EqualFold(o.Name, g.Name) }) {
			return awserr.New("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.Name, g.VpcID)
		}
		if err := putTags(tx, g.ID, kindGroup.typ, tags); err != nil {
			return err
		}
		return SecurityGroups.Put(tx, g.ID, g)
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSecurityGroupOutput{GroupId: &g.ID, SecurityGroupArn: new(a.groupARN(g)), Tags: tagType.To(tags)}, nil
}

func (a *API) groupARN(g SecurityGroup) string { return a.ns.ARN("ec2", "security-group/"+g.ID) }

// vpcFor returns the VPC that a request names, else the default one.
func vpcFor(tx store.Tx, id *string) (string, error) {
	if deref(id) != "" {
		v, err := vpcByID(tx, *id)
		return v.ID, err
	}
	v, err := defaultVpc(tx)
	if err == nil && v.ID == "" {
		err = awserr.New("VPCIdNotSpecified", "No default VPC for this user")
	}
	return v.ID, err
}

// nameOf is the name of a new group: spaces behind it don't count.
func nameOf(in *ec2.CreateSecurityGroupInput) string {
	return strings.TrimRight(deref(in.GroupName), " ")
}

// newGroupFaults is what is wrong with a new group, whatever is there.
func newGroupFaults(in *ec2.CreateSecurityGroupInput) (f awserr.Faults) {
	name, description := nameOf(in), deref(in.Description)
	if name == "" {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter GroupName"))
	}
	if description == "" {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter GroupDescription"))
	}
	switch {
	case strings.EqualFold(name, defaultGroupName):
		f.Add(awserr.New("InvalidGroup.Reserved", "The security group '%s' is reserved", name))
	case strings.HasPrefix(name, "sg-"):
		f.Add(awserr.New("InvalidParameterValue", "Value (%s) for parameter GroupName is invalid. Group names may not be in the format sg-*.", name))
	}
	f.Add(checkText("GroupName", name), checkText("GroupDescription", description))
	f.Add(tagSpecFaults(kindGroup.typ, in.TagSpecifications)...)
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
func (a *API) DeleteSecurityGroup(ctx context.Context, in *ec2.DeleteSecurityGroupInput) (*ec2.DeleteSecurityGroupOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*ec2.DeleteSecurityGroupOutput, error) {
		g, err := groupBy(tx, in.GroupId, in.GroupName)
		if err != nil {
			return nil, err
		}
		if g.Name == defaultGroupName {
			return nil, awserr.New("CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, g.ID, g.Name)
		}
		members, err := Interfaces.By(tx, "group", g.ID)
		if err != nil {
			return nil, err
		}
		referrers, err := SecurityGroups.By(tx, "refers", g.ID)
		if err != nil {
			return nil, err
		}
		if len(members)+len(referrers) > 0 {
			return nil, awserr.New("DependencyViolation", "resource %s has a dependent object", g.ID)
		}
		if err := dropTags(tx, append(idsOf(g.Rules), g.ID)...); err != nil {
			return nil, err
		}
		return &ec2.DeleteSecurityGroupOutput{GroupId: &g.ID, Return: new(true)}, SecurityGroups.Delete(tx, g.ID)
	})
}

// DescribeSecurityGroups lists groups.
func (a *API) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*ec2.DescribeSecurityGroupsOutput, error) {
		all, err := SecurityGroups.List(tx, "")
		if err != nil {
			return nil, err
		}
		tags, err := allTags(tx)
		if err != nil {
			return nil, err
		}
		q := question{slices.Clone(in.GroupIds), in.Filters, in.MaxResults, in.NextToken}
		for _, name := range in.GroupNames {
			g, err := groupByName(tx, name)
			if err != nil {
				return nil, err
			}
			q.ids = append(q.ids, g.ID)
		}
		chosen, next, err := a.groupListing(all).answer(slices.Clone(all), q, tags)
		if err != nil {
			return nil, err
		}
		out := &ec2.DescribeSecurityGroupsOutput{SecurityGroups: []types.SecurityGroup{}, NextToken: next}
		for _, g := range chosen {
			out.SecurityGroups = append(out.SecurityGroups, a.groupShape(g, tagType.To(tags[g.ID].Tags)))
		}
		return out, nil
	})
}

// groupListing needs all groups to know the names of those that rules refer to.
func (a *API) groupListing(all []SecurityGroup) listing[SecurityGroup] {
	type see = func(SecurityGroup) []string
	fields := map[string]see{
		"description": func(g SecurityGroup) []string { return one(g.Description) },
		"group-id":    func(g SecurityGroup) []string { return one(g.ID) },
		"group-name":  func(g SecurityGroup) []string { return one(g.Name) },
		"owner-id":    always[SecurityGroup](a.ns.Account),
		"vpc-id":      func(g SecurityGroup) []string { return one(g.VpcID) },
	}
	names := map[string]string{}
	for _, g := range all {
		names[g.ID] = g.Name
	}
	for prefix, egress := range map[string]bool{"ip-permission.": false, "egress.ip-permission.": true} {
		for name, of := range map[string]func(Rule) string{
			"cidr":           func(r Rule) string { v4, _ := r.ranges(); return deref(v4) },
			"from-port":      func(r Rule) string { return strconv.Itoa(int(r.From)) },
			"group-id":       func(r Rule) string { return r.Group },
			"group-name":     func(r Rule) string { return names[r.Group] },
			"ipv6-cidr":      func(r Rule) string { _, v6 := r.ranges(); return deref(v6) },
			"prefix-list-id": func(Rule) string { return "" },
			"protocol":       func(r Rule) string { return r.Protocol },
			"to-port":        func(r Rule) string { return strconv.Itoa(int(r.To)) },
			"user-id":        func(r Rule) string { return r.peerAccount(a.ns.Account) },
		} {
			fields[prefix+name] = seeRules(egress, of)
		}
	}
	return listing[SecurityGroup]{kindGroup, func(g SecurityGroup) string { return g.ID }, fields}
}

// seeRules sees what of says of a group's rules in one direction; "" is
// nothing.
func seeRules(egress bool, of func(Rule) string) func(SecurityGroup) []string {
	return func(g SecurityGroup) (out []string) {
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
func (r Rule) ranges() (v4, v6 *string) {
	switch {
	case !r.CIDR.IsValid():
		return nil, nil
	case r.CIDR.Addr().Is4():
		return new(r.CIDR.String()), nil
	default:
		return nil, new(r.CIDR.String())
	}
}

func (r Rule) peerAccount(account string) string {
	if r.Group != "" {
		return account
	}
	return ""
}

func (a *API) groupShape(g SecurityGroup, tags []types.Tag) types.SecurityGroup {
	return types.SecurityGroup{
		GroupId: &g.ID, GroupName: &g.Name, Description: &g.Description, VpcId: &g.VpcID, OwnerId: &a.ns.Account,
		SecurityGroupArn: new(a.groupARN(g)), Tags: tags,
		IpPermissions:       permissionShapes(g.Rules, false, a.ns.Account),
		IpPermissionsEgress: permissionShapes(g.Rules, true, a.ns.Account),
	}
}
