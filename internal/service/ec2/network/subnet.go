package network

import (
	"context"
	"fmt"
	"net/netip"
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

// CreateSubnet makes a subnet in a range of a VPC.
func (a *API) CreateSubnet(ctx context.Context, in *sdk.CreateSubnetInput) (*sdk.CreateSubnetOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := a.newSubnetFaults(in).First(); err != nil {
		return nil, err
	}
	cidr, err := request.CIDR("cidrBlock", aws.ToString(in.CidrBlock))
	if err != nil {
		return nil, err
	}
	zone, err := a.zoneFor(in)
	if err != nil {
		return nil, err
	}
	s := ec2.Subnet{ID: ec2.NewID("subnet"), AZ: zone.name, AZID: zone.id, CIDR: cidr}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateSubnetOutput, error) {
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		s.VpcID = vpc.ID
		if err := fits(tx, vpc, cidr); err != nil {
			return nil, err
		}
		if err := putSubnet(tx, s); err != nil {
			return nil, err
		}
		tags, err := request.Tagged(tx, s.ID, request.Subnet, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		out := a.subnetShape(subnetView{s, s.Capacity()}, tags)
		return &sdk.CreateSubnetOutput{Subnet: &out}, nil
	})
}

func (a *API) newSubnetFaults(in *sdk.CreateSubnetInput) (f awserr.Faults) {
	if aws.ToString(in.CidrBlock) == "" {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter cidrBlock"))
	} else {
		_, err := request.CIDR("cidrBlock", *in.CidrBlock)
		f.Add(err)
	}
	_, err := a.zoneFor(in)
	f.Add(err)
	f.Add(request.TagSpecFaults(request.Subnet.Type, in.TagSpecifications)...)
	return f
}

// zoneFor returns the zone that a request names by name or by id, else the first.
func (a *API) zoneFor(in *sdk.CreateSubnetInput) (zone, error) {
	name, id, zones := aws.ToString(in.AvailabilityZone), aws.ToString(in.AvailabilityZoneId), a.zones()
	if name != "" && id != "" {
		return zone{}, awserr.New("InvalidParameterCombination", "The parameters availabilityZone and availabilityZoneId cannot be used together")
	}
	i := slices.IndexFunc(zones, func(z zone) bool { return name == "" && id == "" || z.name == name || z.id == id })
	switch {
	case i >= 0:
		return zones[i], nil
	case name != "":
		return zone{}, awserr.New("InvalidParameterValue", "Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s, %s, %s.", name, zones[0].name, zones[1].name, zones[2].name)
	}
	return zone{}, awserr.New("InvalidParameterValue", "Value (%s) for parameter availabilityZoneId is invalid. Subnets can currently only be created in the following availability zones: %s, %s, %s.", id, zones[0].id, zones[1].id, zones[2].id)
}

// fits refuses a range that no subnet of the VPC can have.
func fits(tx store.Tx, vpc ec2.Vpc, cidr netip.Prefix) error {
	within := slices.ContainsFunc(vpc.CIDRs(), func(p netip.Prefix) bool { return p.Bits() <= cidr.Bits() && p.Contains(cidr.Addr()) })
	if cidr.Bits() < 16 || cidr.Bits() > 28 || !within {
		return awserr.New("InvalidSubnet.Range", "The CIDR '%s' is invalid.", cidr)
	}
	all, err := ec2.Subnets.List(tx, "")
	if err != nil {
		return fmt.Errorf("list subnets: %w", err)
	}
	for _, s := range all {
		if s.VpcID == vpc.ID && s.CIDR.Overlaps(cidr) {
			return awserr.New("InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet: %s has %s", cidr, s.ID, s.CIDR)
		}
	}
	return nil
}

// DeleteSubnet deletes a subnet in which no interface is left. What was associated with it is not any more.
func (a *API) DeleteSubnet(ctx context.Context, in *sdk.DeleteSubnetInput) (*sdk.DeleteSubnetOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteSubnetOutput, error) {
		s, err := request.Get(tx, ec2.Subnets, request.Subnet, aws.ToString(in.SubnetId))
		if err != nil {
			return nil, err
		}
		if s.Default {
			return nil, awserr.New("OperationNotPermitted", "The subnet '%s' is a default one, which Skylift's own tools use. It cannot be deleted.", s.ID)
		}
		taken, err := ec2.Addresses.List(tx, s.ID+"/")
		if err != nil {
			return nil, err
		}
		var holders []string
		for _, l := range taken {
			holders = append(holders, l.Interface)
		}
		if len(holders) > 0 {
			return nil, request.Dependency(fmt.Sprintf("The subnet '%s' has dependencies and cannot be deleted.", s.ID), slices.Compact(holders))
		}
		if err := parted(tx, s.ID); err != nil {
			return nil, err
		}
		if err := ec2.Cursors.Delete(tx, s.ID); err != nil {
			return nil, err
		}
		if err := request.DropTags(tx, s.ID); err != nil {
			return nil, err
		}
		return &sdk.DeleteSubnetOutput{}, ec2.Subnets.Delete(tx, s.ID)
	})
}

// parted takes a subnet out of its route table and its network ACL.
func parted(tx store.Tx, subnet string) error {
	tables, err := ec2.RouteTables.List(tx, "")
	if err != nil {
		return err
	}
	for _, t := range tables {
		n := len(t.Associations)
		t.Associations = slices.DeleteFunc(t.Associations, func(s ec2.RouteAssociation) bool { return s.SubnetID == subnet })
		if len(t.Associations) == n {
			continue
		}
		if err := ec2.RouteTables.Put(tx, t.ID, t); err != nil {
			return err
		}
	}
	acls, err := ec2.NetworkACLs.List(tx, "")
	if err != nil {
		return err
	}
	acl := ec2.ACLOf(acls, subnet)
	if acl.ID == "" {
		return nil
	}
	acl.Associations = slices.DeleteFunc(acl.Associations, func(s ec2.ACLAssociation) bool { return s.SubnetID == subnet })
	return ec2.NetworkACLs.Put(tx, acl.ID, acl)
}

// ModifySubnetAttribute changes one attribute of a subnet.
func (a *API) ModifySubnetAttribute(ctx context.Context, in *sdk.ModifySubnetAttributeInput) (*sdk.ModifySubnetAttributeOutput, error) {
	given := changedSubnetAttribute(ctx, in)
	if err := oneAttribute(given, "mapPublicIpOnLaunch, privateDnsHostnameTypeOnLaunch, enableResourceNameDnsARecordOnLaunch"); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ModifySubnetAttributeOutput, error) {
		_, err := handler.Change(tx, ec2.Subnets, aws.ToString(in.SubnetId), request.Subnet.NotFound, func(s *ec2.Subnet) error {
			switch {
			case in.MapPublicIpOnLaunch != nil:
				s.MapPublicIP = aws.ToBool(in.MapPublicIpOnLaunch.Value)
			case in.PrivateDnsHostnameTypeOnLaunch != "":
				s.HostnameBy = string(in.PrivateDnsHostnameTypeOnLaunch)
			case in.EnableResourceNameDnsARecordOnLaunch != nil:
				s.ResourceA = aws.ToBool(in.EnableResourceNameDnsARecordOnLaunch.Value)
			default:
				return refusedAttribute(in)
			}
			return nil
		})
		return &sdk.ModifySubnetAttributeOutput{}, err
	})
}

// refusedAttribute refuses to turn on what needs IPv6. Off it is already.
func refusedAttribute(in *sdk.ModifySubnetAttributeInput) error {
	for name, v := range map[string]*types.AttributeBooleanValue{
		"assignIpv6AddressOnCreation": in.AssignIpv6AddressOnCreation, "enableDns64": in.EnableDns64, "enableResourceNameDnsAAAARecordOnLaunch": in.EnableResourceNameDnsAAAARecordOnLaunch,
	} {
		if v != nil && aws.ToBool(v.Value) {
			return awserr.New("UnsupportedOperation", "The value 'true' of the attribute '%s' is not supported by Skylift: VPCs have no IPv6 here.", name)
		}
	}
	return nil
}

// changedSubnetAttribute is the value of ec2:Attribute.
func changedSubnetAttribute(_ context.Context, in *sdk.ModifySubnetAttributeInput) (names []string) {
	for _, at := range []struct {
		name  string
		given bool
	}{
		{"MapPublicIpOnLaunch", in.MapPublicIpOnLaunch != nil},
		{"PrivateDnsHostnameTypeOnLaunch", in.PrivateDnsHostnameTypeOnLaunch != ""},
		{"EnableResourceNameDnsARecordOnLaunch", in.EnableResourceNameDnsARecordOnLaunch != nil},
		{"EnableResourceNameDnsAAAARecordOnLaunch", in.EnableResourceNameDnsAAAARecordOnLaunch != nil},
		{"AssignIpv6AddressOnCreation", in.AssignIpv6AddressOnCreation != nil},
		{"EnableDns64", in.EnableDns64 != nil},
	} {
		if at.given {
			names = append(names, at.name)
		}
	}
	return names
}
