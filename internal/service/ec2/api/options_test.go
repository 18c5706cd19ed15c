package api

import (
	"fmt"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
)

func TestDhcpOptions(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	told := func() string {
		t.Helper()
		got := must(a.Told(c, b.private))(t)
		return fmt.Sprint(got.Servers, " ", got.Search)
	}
	if got, want := told(), "[10.20.0.2] [us-west-2.compute.internal]"; got != want {
		t.Errorf("a new VPC is told %s, want %s", got, want)
	}
	made := must(a.CreateDhcpOptions(c, &sdk.CreateDhcpOptionsInput{DhcpConfigurations: []types.NewDhcpConfiguration{
		{Key: new("domain-name-servers"), Values: []string{"10.20.1.9"}}, {Key: new("domain-name"), Values: []string{"corp.example"}},
	}}))(t).DhcpOptions
	if *made.DhcpConfigurations[0].Key != "domain-name" { // sorted
		t.Errorf("made %+v", made)
	}
	must(a.AssociateDhcpOptions(c, &sdk.AssociateDhcpOptionsInput{VpcId: &b.vpc, DhcpOptionsId: made.DhcpOptionsId}))(t)
	if got, want := told(), "[10.20.1.9] [corp.example]"; got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	_, err := a.DeleteDhcpOptions(c, &sdk.DeleteDhcpOptionsInput{DhcpOptionsId: made.DhcpOptionsId})
	wantCode(t, "in use", err, "DependencyViolation", b.vpc)
	must(a.AssociateDhcpOptions(c, &sdk.AssociateDhcpOptionsInput{VpcId: &b.vpc, DhcpOptionsId: new("default")}))(t)
	if got, want := told(), "[] []"; got != want {
		t.Errorf("without options it is told %s, want %s", got, want)
	}
	must(a.DeleteDhcpOptions(c, &sdk.DeleteDhcpOptionsInput{DhcpOptionsId: made.DhcpOptionsId}))(t)
	l := must(a.DescribeDhcpOptions(c, &sdk.DescribeDhcpOptionsInput{Filters: filter("value", "AmazonProvidedDNS")}))(t).DhcpOptions
	if len(l) != 1 {
		t.Fatalf("left are %+v", l)
	}
	_, err = a.DeleteDhcpOptions(c, &sdk.DeleteDhcpOptionsInput{DhcpOptionsId: l[0].DhcpOptionsId})
	wantCode(t, "the account's own", err, "DependencyViolation", *l[0].DhcpOptionsId)
	_, err = a.AssociateDhcpOptions(c, &sdk.AssociateDhcpOptionsInput{VpcId: &b.vpc, DhcpOptionsId: made.DhcpOptionsId})
	wantCode(t, "gone", err, "InvalidDhcpOptionID.NotFound", *made.DhcpOptionsId)
	_, err = a.CreateDhcpOptions(c, &sdk.CreateDhcpOptionsInput{DhcpConfigurations: []types.NewDhcpConfiguration{{Key: new("ntp-servers"), Values: []string{"10.0.0.1"}}}})
	wantCode(t, "an option that nobody is told", err, "UnsupportedOperation", "'ntp-servers'")
}

func TestSecondaryRanges(t *testing.T) {
	t.Parallel()
	a, c := account(t), t.Context()
	b := build(t, a)
	add := func(cidr string) (*sdk.AssociateVpcCidrBlockOutput, error) {
		return a.AssociateVpcCidrBlock(c, &sdk.AssociateVpcCidrBlockInput{VpcId: &b.vpc, CidrBlock: &cidr})
	}
	made := must(add("100.64.3.0/20"))(t).CidrBlockAssociation
	if *made.CidrBlock != "100.64.0.0/20" || made.CidrBlockState.State != types.VpcCidrBlockStateCodeAssociating {
		t.Errorf("made %+v", made)
	}
	for cidr, words := range map[string]string{
		"10.20.128.0/20": "overlaps 10.20.0.0/16", "100.64.8.0/24": "overlaps 100.64.0.0/20", "192.168.0.0/16": "restricted", "172.31.0.0/20": "overlaps 172.31.0.0/16",
	} {
		_, err := add(cidr)
		wantCode(t, cidr, err, "InvalidVpc.Range", words)
	}
	must(a.CreateRoute(c, &sdk.CreateRouteInput{RouteTableId: &b.publicTable, DestinationCidrBlock: new("10.50.0.0/24"), GatewayId: &b.gateway}))(t)
	_, err := add("10.50.0.0/20")
	wantCode(t, "over a route", err, "InvalidVpc.Range", b.publicTable)
	if got, want := b.tables(t, a)[0], "main: 10.20.0.0/16 local active, 100.64.0.0/20 local active"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	subnet := must(a.CreateSubnet(c, &sdk.CreateSubnetInput{VpcId: &b.vpc, CidrBlock: new("100.64.0.0/24")}))(t).Subnet.SubnetId
	_, err = a.DisassociateVpcCidrBlock(c, &sdk.DisassociateVpcCidrBlockInput{AssociationId: made.AssociationId})
	wantCode(t, "with a subnet", err, "DependencyViolation", *subnet)
	must(a.DeleteSubnet(c, &sdk.DeleteSubnetInput{SubnetId: subnet}))(t)
	for _, cidr := range []string{"100.65.0.0/20", "100.66.0.0/20", "10.60.0.0/16"} {
		must(add(cidr))(t)
	}
	_, err = add("100.67.0.0/20")
	wantCode(t, "a sixth", err, "CidrLimitExceeded", "This network "+b.vpc+" has met its maximum number of allowed CIDRs: 5")
	must(a.DisassociateVpcCidrBlock(c, &sdk.DisassociateVpcCidrBlockInput{AssociationId: made.AssociationId}))(t)
	_, err = a.DisassociateVpcCidrBlock(c, &sdk.DisassociateVpcCidrBlockInput{AssociationId: made.AssociationId})
	wantCode(t, "again", err, "InvalidVpcCidrBlockAssociationID.NotFound", *made.AssociationId)
	all := records(t, a, ec2.Vpcs)
	for _, v := range all {
		if v.ID == b.vpc {
			_, err = a.DisassociateVpcCidrBlock(c, &sdk.DisassociateVpcCidrBlockInput{AssociationId: &v.AssociationID})
			wantCode(t, "the primary one", err, "OperationNotPermitted", v.AssociationID)
		}
	}
}
