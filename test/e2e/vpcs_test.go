package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestVPCs makes two VPCs, and knocks from their tasks at each other and at a machine beyond this one.
func TestVPCs(t *testing.T) {
	t.Parallel()
	need(t)
	m := newSurroundings(t)
	s := prepare(t, "--uplink="+m.uplink)
	s.serve(t)
	st := &stage{skylift: s}
	st.set(t)
	def := st.defineProbe(t, "vpcs")

	a, b := st.newNet(t), st.newNet(t)
	public, private := a.subnet(t, 0), a.subnet(t, 1)
	igw := a.gateway(t)
	a.routed(t, public, func(in *ec2.CreateRouteInput) { in.GatewayId = &igw })
	eip := must(st.ec2.AllocateAddress(t.Context(), &ec2.AllocateAddressInput{Domain: types.DomainTypeVpc}))(t)
	nat := must(st.ec2.CreateNatGateway(t.Context(), &ec2.CreateNatGatewayInput{SubnetId: &public, AllocationId: eip.AllocationId}))(t).NatGateway
	tableOfPrivate := a.routed(t, private, func(in *ec2.CreateRouteInput) { in.NatGatewayId = nat.NatGatewayId })
	other := b.subnet(t, 0)

	front := a.task(t, def, public, ecstypes.AssignPublicIpEnabled)
	bare := a.task(t, def, public, ecstypes.AssignPublicIpDisabled)
	back := a.task(t, def, private, ecstypes.AssignPublicIpDisabled)
	far := b.task(t, def, other, ecstypes.AssignPublicIpEnabled)
	in := func(addr string) string { return "tcp " + addr + ":9001" }
	reaches := func(from probed, to string, want bool) {
		t.Helper()
		says := "timeout"
		if want {
			says = "connected"
		}
		takes(t, slowest, fmt.Sprintf("%s at %s: %s", from.addr, to, says), func() bool { return st.knock(t, from.addr, to)[to] == says })
	}

	// Ways out: an internet gateway with a public address, NAT without, and none.
	reaches(front, in(m.outside), true)
	reaches(bare, in(m.outside), false)
	reaches(back, in(m.outside), true)
	reaches(far, in(m.outside), false)
	if front.public == "" || bare.public != "" || back.public != "" {
		t.Errorf("public addresses %q, %q, %q: want one for who asked for it", front.public, bare.public, back.public)
	}
	if code, body := st.ask("http://" + front.public + ":8080/"); code != http.StatusOK {
		t.Errorf("the machine asks at a task's public address: %d %s", code, body)
	}

	// VPCs are apart.
	reaches(front, in(back.addr), true)
	reaches(back, in(bare.addr), true)
	reaches(front, in(far.addr), false)
	reaches(far, in(back.addr), false)

	// Peered, and routed both ways, they reach each other, until the peering goes.
	pcx := must(st.ec2.CreateVpcPeeringConnection(t.Context(), &ec2.CreateVpcPeeringConnectionInput{VpcId: &a.id, PeerVpcId: &b.id}))(t).VpcPeeringConnection.VpcPeeringConnectionId
	must(st.ec2.AcceptVpcPeeringConnection(t.Context(), &ec2.AcceptVpcPeeringConnectionInput{VpcPeeringConnectionId: pcx}))(t)
	must(st.ec2.CreateRoute(t.Context(), &ec2.CreateRouteInput{RouteTableId: &tableOfPrivate, DestinationCidrBlock: &b.cidr, VpcPeeringConnectionId: pcx}))(t)
	reaches(back, in(far.addr), false)
	b.routed(t, other, func(in *ec2.CreateRouteInput) { in.DestinationCidrBlock, in.VpcPeeringConnectionId = &a.cidr, pcx })
	reaches(back, in(far.addr), true)
	reaches(far, in(back.addr), true)
	reaches(far, in(front.addr), false) // whose subnet doesn't route there
	must(st.ec2.DeleteVpcPeeringConnection(t.Context(), &ec2.DeleteVpcPeeringConnectionInput{VpcPeeringConnectionId: pcx}))(t)
	reaches(back, in(far.addr), false)

	// What goes takes its flows along: here the route.
	must(st.ec2.DeleteRoute(t.Context(), &ec2.DeleteRouteInput{RouteTableId: &tableOfPrivate, DestinationCidrBlock: new("0.0.0.0/0")}))(t)
	reaches(back, in(m.outside), false)

	// An ACL that has no entries stops all that enters or leaves its subnet.
	acl := must(st.ec2.CreateNetworkAcl(t.Context(), &ec2.CreateNetworkAclInput{VpcId: &a.id}))(t).NetworkAcl
	st.giveACL(t, private, *acl.NetworkAclId)
	takes(t, slowest, "the ACL is in force", func() bool { return st.knock(t, front.addr, in(back.addr))[in(back.addr)] == "timeout" })
	for i, egress := range []bool{false, true} {
		must(st.ec2.CreateNetworkAclEntry(t.Context(), &ec2.CreateNetworkAclEntryInput{
			NetworkAclId: acl.NetworkAclId, Egress: &egress, RuleNumber: new(int32(100 + i)), Protocol: new("6"), CidrBlock: &a.cidr,
			PortRange: &types.PortRange{From: new(int32(1024)), To: new(int32(65535))}, RuleAction: types.RuleActionAllow,
		}))(t)
	}
	reaches(front, in(back.addr), true)

	// Ranges that others use are refused with their names.
	_, err := st.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: new(rangeOf(m.balancers))})
	if err == nil || !strings.Contains(err.Error(), "e2eb") {
		t.Errorf("a VPC with the range of a bridge: %v", err)
	}

	// All of it is in force after a crash.
	s.kill9(t)
	s.restart(t)
	reaches(front, in(m.outside), true)
	reaches(front, in(far.addr), false)
	reaches(bare, in(m.outside), false)
}

// rangeOf is the /24 that an address is in.
func rangeOf(addr string) string { return addr[:strings.LastIndex(addr, ".")] + ".0/24" }

// vnet is a VPC that a test made, with a group that lets everything pass.
type vnet struct {
	*stage
	id, cidr, group string
}

func (s *stage) newNet(t *testing.T) *vnet {
	t.Helper()
	n := &vnet{stage: s, cidr: must(freeCIDR())(t)}
	n.id = *must(s.ec2.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: &n.cidr}))(t).Vpc.VpcId
	n.group = *must(s.ec2.CreateSecurityGroup(t.Context(), &ec2.CreateSecurityGroupInput{GroupName: new("open"), Description: new("open"), VpcId: &n.id}))(t).GroupId
	all := types.IpPermission{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	must(s.ec2.AuthorizeSecurityGroupIngress(t.Context(), &ec2.AuthorizeSecurityGroupIngressInput{GroupId: &n.group, IpPermissions: []types.IpPermission{all}}))(t)
	return n
}

// subnet makes the i-th /24 of the VPC a subnet.
func (n *vnet) subnet(t *testing.T, i int) string {
	t.Helper()
	cidr := strings.TrimSuffix(n.cidr, "0.0/16") + fmt.Sprintf("%d.0/24", i)
	return *must(n.ec2.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &n.id, CidrBlock: &cidr}))(t).Subnet.SubnetId
}

func (n *vnet) gateway(t *testing.T) string {
	t.Helper()
	id := must(n.ec2.CreateInternetGateway(t.Context(), &ec2.CreateInternetGatewayInput{}))(t).InternetGateway.InternetGatewayId
	must(n.ec2.AttachInternetGateway(t.Context(), &ec2.AttachInternetGatewayInput{InternetGatewayId: id, VpcId: &n.id}))(t)
	return *id
}

// routed gives a subnet a route table of its own with a default route.
func (n *vnet) routed(t *testing.T, subnet string, to func(*ec2.CreateRouteInput)) string {
	t.Helper()
	table := must(n.ec2.CreateRouteTable(t.Context(), &ec2.CreateRouteTableInput{VpcId: &n.id}))(t).RouteTable.RouteTableId
	in := &ec2.CreateRouteInput{RouteTableId: table, DestinationCidrBlock: new("0.0.0.0/0")}
	to(in)
	must(n.ec2.CreateRoute(t.Context(), in))(t)
	must(n.ec2.AssociateRouteTable(t.Context(), &ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: &subnet}))(t)
	return *table
}

// giveACL puts an ACL in the place of the one that a subnet has.
func (s *stage) giveACL(t *testing.T, subnet, acl string) {
	t.Helper()
	all := must(s.ec2.DescribeNetworkAcls(t.Context(), &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{filter("association.subnet-id", subnet)}}))(t)
	for _, a := range all.NetworkAcls[0].Associations {
		if *a.SubnetId == subnet {
			must(s.ec2.ReplaceNetworkAclAssociation(t.Context(), &ec2.ReplaceNetworkAclAssociationInput{AssociationId: a.NetworkAclAssociationId, NetworkAclId: &acl}))(t)
		}
	}
}

// probed is a probe that runs, and its addresses; public is "" when it has none.
type probed struct{ addr, public string }

func (n *vnet) task(t *testing.T, definition, subnet string, public ecstypes.AssignPublicIp) probed {
	t.Helper()
	out := must(n.ecs.RunTask(t.Context(), &ecs.RunTaskInput{
		TaskDefinition: &definition, LaunchType: ecstypes.LaunchTypeFargate, NetworkConfiguration: &ecstypes.NetworkConfiguration{
			AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: []string{subnet}, SecurityGroups: []string{n.group}, AssignPublicIp: public},
		},
	}))(t)
	if len(out.Tasks) != 1 {
		t.Fatalf("run a task: %v", out.Failures)
	}
	arn := *out.Tasks[0].TaskArn
	n.stopAtEnd(t, arn)
	p := probed{addr: address(t, n.reaches(t, arn, "RUNNING"))}
	listens(t, p.addr)
	ifaces := must(n.ec2.DescribeNetworkInterfaces(t.Context(), &ec2.DescribeNetworkInterfacesInput{Filters: []types.Filter{filter("addresses.private-ip-address", p.addr)}}))(t).NetworkInterfaces
	if len(ifaces) != 1 {
		t.Fatalf("%d interfaces have %s", len(ifaces), p.addr)
	}
	if a := ifaces[0].Association; a != nil {
		p.public = *a.PublicIp
	}
	return p
}
