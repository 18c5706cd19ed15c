package groups

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// flat is the form of a permission from before there were lists of them.
type flat struct {
	protocol                  *string
	from, to                  *int32
	cidr, groupName, groupOwn *string
}

// permissions returns what f says as a list; none when it says nothing. A
// source group by itself stands for all of TCP, UDP and ICMP.
func (f flat) permissions() ([]types.IpPermission, error) {
	if f == (flat{}) {
		return nil, nil
	}
	if f.groupName == nil {
		if f.groupOwn != nil {
			return nil, awserr.New("MissingParameter", "The request must contain the parameter sourceSecurityGroupName")
		}
		if f.cidr == nil {
			return nil, awserr.New("MissingParameter", "The request must contain the parameter cidrIp")
		}
		return []types.IpPermission{{IpProtocol: f.protocol, FromPort: f.from, ToPort: f.to, IpRanges: []types.IpRange{{CidrIp: f.cidr}}}}, nil
	}
	if f.protocol != nil || f.from != nil || f.to != nil || f.cidr != nil {
		return nil, awserr.New("InvalidParameterCombination", "The parameter sourceSecurityGroupName cannot be used with cidrIp, ipProtocol, fromPort or toPort; use ipPermissions")
	}
	pairs := []types.UserIdGroupPair{{GroupName: f.groupName, UserId: f.groupOwn}}
	return []types.IpPermission{
		{IpProtocol: new("tcp"), FromPort: new(int32(0)), ToPort: new(int32(65535)), UserIdGroupPairs: pairs},
		{IpProtocol: new("udp"), FromPort: new(int32(0)), ToPort: new(int32(65535)), UserIdGroupPairs: pairs},
		{IpProtocol: new("icmp"), FromPort: new(int32(-1)), ToPort: new(int32(-1)), UserIdGroupPairs: pairs},
	}, nil
}

// parser makes rules of permissions.
type parser struct {
	tx      store.Tx
	account string
	vpc     string
	egress  bool
}

// rules returns a rule for each peer of each permission, without ids.
func (p parser) rules(perms []types.IpPermission) ([]ec2.Rule, error) {
	var out []ec2.Rule
	for _, perm := range perms {
		rules, err := p.rulesOf(perm)
		if err != nil {
			return nil, err
		}
		out = append(out, rules...)
	}
	return out, nil
}

func (p parser) rulesOf(perm types.IpPermission) ([]ec2.Rule, error) {
	base, err := parseService(perm)
	if err != nil {
		return nil, err
	}
	base.Egress = p.egress
	if peerless(perm) {
		return nil, noPeer()
	}
	var out []ec2.Rule
	for _, rng := range perm.IpRanges {
		r := base
		if r.CIDR, err = parseCIDR(aws.ToString(rng.CidrIp), netip.Addr.Is4); err != nil {
			return nil, err
		}
		r.Description = aws.ToString(rng.Description)
		out = append(out, r)
	}
	for _, rng := range perm.Ipv6Ranges {
		r := base
		if r.CIDR, err = parseCIDR(aws.ToString(rng.CidrIpv6), netip.Addr.Is6); err != nil {
			return nil, err
		}
		r.Description = aws.ToString(rng.Description)
		out = append(out, r)
	}
	for _, list := range perm.PrefixListIds {
		r := base
		l, err := request.Get(p.tx, ec2.PrefixLists, request.PrefixList, aws.ToString(list.PrefixListId))
		if err != nil {
			return nil, err
		}
		r.PrefixList, r.Description = l.ID, aws.ToString(list.Description)
		out = append(out, r)
	}
	for _, pair := range perm.UserIdGroupPairs {
		r := base
		if r.Group, err = p.peer(pair); err != nil {
			return nil, err
		}
		r.Description = aws.ToString(pair.Description)
		out = append(out, r)
	}
	for _, r := range out {
		if err := checkText("Description", r.Description); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func peerless(perm types.IpPermission) bool {
	return len(perm.IpRanges)+len(perm.Ipv6Ranges)+len(perm.PrefixListIds)+len(perm.UserIdGroupPairs) == 0
}

func noPeer() error {
	return awserr.New("MissingParameter", "Each of ipPermissions must contain ipRanges, ipv6Ranges, prefixListIds or groups")
}

// permissionFaults returns the faults of permissions that show without looking at records.
func permissionFaults(perms []types.IpPermission) (f awserr.Faults) {
	for _, perm := range perms {
		_, err := parseService(perm)
		f.Add(err)
		if peerless(perm) {
			f.Add(noPeer())
		}
		for _, rng := range perm.IpRanges {
			_, err := parseCIDR(aws.ToString(rng.CidrIp), netip.Addr.Is4)
			f.Add(err, checkText("Description", aws.ToString(rng.Description)))
		}
		for _, rng := range perm.Ipv6Ranges {
			_, err := parseCIDR(aws.ToString(rng.CidrIpv6), netip.Addr.Is6)
			f.Add(err, checkText("Description", aws.ToString(rng.Description)))
		}
		for _, list := range perm.PrefixListIds {
			f.Add(request.PrefixList.Check(aws.ToString(list.PrefixListId)), checkText("Description", aws.ToString(list.Description)))
		}
		for _, pair := range perm.UserIdGroupPairs {
			f.Add(checkText("Description", aws.ToString(pair.Description)))
		}
	}
	return f
}

// peer returns the id of the group that pair names.
func (p parser) peer(pair types.UserIdGroupPair) (string, error) {
	if owner := aws.ToString(pair.UserId); owner != "" && owner != p.account {
		return "", awserr.New("InvalidGroup.NotFound", "You have specified two resources that belong to different networks: account '%s' has no security groups here.", owner)
	}
	id, name := request.Given(pair.GroupId), request.Given(pair.GroupName)
	if id != nil { // both, as in an answer that is sent back
		name = nil
	}
	g, err := groupBy(p.tx, id, name)
	if err != nil {
		return "", err
	}
	if g.VpcID != p.vpc {
		connection, err := peered(p.tx, g.VpcID, p.vpc)
		if err != nil {
			return "", err
		}
		if connection == "" {
			return "", different()
		}
	}
	if vpc := aws.ToString(pair.VpcId); vpc != "" && vpc != g.VpcID {
		return "", different()
	}
	return g.ID, nil
}

func different() error {
	return awserr.New("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
}

// parseService reads a permission's protocol and ports.
func parseService(perm types.IpPermission) (ec2.Rule, error) {
	protocol := strings.ToLower(aws.ToString(perm.IpProtocol))
	if protocol == "" {
		return ec2.Rule{}, awserr.New("MissingParameter", "The request must contain the parameter ipProtocol")
	}
	protocol = ec2.ProtocolName(protocol)
	from, to := perm.FromPort, perm.ToPort
	switch protocol {
	case "tcp", "udp":
		return parsePorts(protocol, from, to)
	case "icmp", ec2.ICMPv6:
		return parseICMP(protocol, from, to)
	}
	if n, err := strconv.Atoi(protocol); err != nil || n < -1 || n > 255 {
		return ec2.Rule{}, awserr.New("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", protocol)
	}
	return ec2.Rule{Protocol: protocol, From: -1, To: -1}, nil // all ports, whatever the request says
}

func parsePorts(protocol string, from, to *int32) (ec2.Rule, error) {
	if from == nil || to == nil {
		return ec2.Rule{}, awserr.New("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
	}
	for _, port := range []int32{*from, *to} {
		if port < 0 || port > 65535 {
			return ec2.Rule{}, awserr.New("InvalidParameterValue", "TCP/UDP port (%d) out of range", port)
		}
	}
	if *from > *to {
		return ec2.Rule{}, awserr.New("InvalidParameterValue", "Invalid TCP/UDP port range (%d, %d): from must not be greater than to", *from, *to)
	}
	return ec2.Rule{Protocol: protocol, From: *from, To: *to}, nil
}

// parseICMP reads a type and a code; -1 is any. Only ICMPv6 may leave them out.
func parseICMP(protocol string, from, to *int32) (ec2.Rule, error) {
	if protocol == "icmp" && (from == nil || to == nil) {
		return ec2.Rule{}, awserr.New("InvalidParameterValue", "Invalid value 'Must specify both from and to ports with ICMP.' for portRange.")
	}
	r := ec2.Rule{Protocol: protocol, From: -1, To: -1}
	if from != nil {
		r.From = *from
	}
	if to != nil {
		r.To = *to
	}
	if r.From < -1 || r.From > 255 {
		return ec2.Rule{}, awserr.New("InvalidParameterValue", "ICMP type (%d) out of range", r.From)
	}
	if r.To < -1 || r.To > 255 || r.From == -1 && r.To != -1 {
		return ec2.Rule{}, awserr.New("InvalidParameterValue", "ICMP code (%d) out of range", r.To)
	}
	return r, nil
}

// parseCIDR reads a range of a family; bits behind its length do not count.
func parseCIDR(s string, family func(netip.Addr) bool) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || !family(p.Addr()) || p.Addr().Is4In6() {
		return netip.Prefix{}, awserr.New("InvalidParameterValue", "CIDR block %s is malformed", s)
	}
	return p.Masked(), nil
}

// permissionShapes groups the rules of one direction by protocol and ports,
// in the order in which they were made.
func permissionShapes(rules []ec2.Rule, egress bool, account string) []types.IpPermission {
	out := []types.IpPermission{}
	at := map[string]int{}
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		key := fmt.Sprint(r.Protocol, " ", r.From, " ", r.To)
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, serviceShape(r))
		}
		var description *string
		if r.Description != "" {
			description = new(r.Description)
		}
		if v4, v6 := ranges(r); v4 != nil {
			out[i].IpRanges = append(out[i].IpRanges, types.IpRange{CidrIp: v4, Description: description})
			continue
		} else if v6 != nil {
			out[i].Ipv6Ranges = append(out[i].Ipv6Ranges, types.Ipv6Range{CidrIpv6: v6, Description: description})
			continue
		}
		if r.PrefixList != "" {
			out[i].PrefixListIds = append(out[i].PrefixListIds, types.PrefixListId{PrefixListId: new(r.PrefixList), Description: description})
			continue
		}
		out[i].UserIdGroupPairs = append(out[i].UserIdGroupPairs, types.UserIdGroupPair{GroupId: new(r.Group), UserId: &account, Description: description})
	}
	return out
}

func serviceShape(r ec2.Rule) types.IpPermission {
	p := types.IpPermission{
		IpProtocol: new(r.Protocol), IpRanges: []types.IpRange{}, Ipv6Ranges: []types.Ipv6Range{},
		PrefixListIds: []types.PrefixListId{}, UserIdGroupPairs: []types.UserIdGroupPair{},
	}
	if r.Protocol == "tcp" || r.Protocol == "udp" || r.Protocol == "icmp" || r.Protocol == ec2.ICMPv6 {
		p.FromPort, p.ToPort = new(r.From), new(r.To)
	}
	return p
}
