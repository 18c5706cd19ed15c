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
	"github.com/skylift/skylift/internal/service/ec2/dhcp"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// CreateVpc makes a VPC with its main route table, default security group and default network ACL. Its range
// overlaps nothing that there is, neither in EC2 nor on this machine.
func (a *API) CreateVpc(ctx context.Context, in *sdk.CreateVpcInput) (*sdk.CreateVpcOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newVpcFaults(in).First(); err != nil {
		return nil, err
	}
	cidr, err := vpcRange(aws.ToString(in.CidrBlock))
	if err != nil {
		return nil, err
	}
	if err := a.claimable(cidr); err != nil {
		return nil, err
	}
	vpc := ec2.Vpc{ID: ec2.NewID("vpc"), CIDR: cidr, AssociationID: ec2.NewID("vpc-cidr-assoc"), DNSSupport: true}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateVpcOutput, error) {
		if err := free(tx, cidr); err != nil {
			return nil, err
		}
		if vpc.DHCPOptionsID, err = dhcp.Default(tx); err != nil {
			return nil, err
		}
		if err := putVpc(tx, vpc); err != nil {
			return nil, err
		}
		tags, err := request.Tagged(tx, vpc.ID, request.Vpc, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		out := a.vpcShape(vpc, tags)
		out.State = types.VpcStatePending
		return &sdk.CreateVpcOutput{Vpc: &out}, nil
	})
}

func newVpcFaults(in *sdk.CreateVpcInput) (f awserr.Faults) {
	if aws.ToString(in.CidrBlock) == "" {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter cidrBlock"))
	} else {
		_, err := vpcRange(*in.CidrBlock)
		f.Add(err)
	}
	f.Add(request.TagSpecFaults(request.Vpc.Type, in.TagSpecifications)...)
	return f
}

// unusable are ranges that mean something of their own, to the machine or to tasks.
var unusable = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
}

// vpcRange reads a VPC's range; bits behind its length do not count.
func vpcRange(s string) (netip.Prefix, error) {
	p, err := request.CIDR("cidrBlock", s)
	if err != nil {
		return p, err
	}
	if p.Bits() < 16 || p.Bits() > 28 || slices.ContainsFunc(unusable, p.Overlaps) {
		return p, awserr.New("InvalidVpc.Range", "The CIDR '%s' is invalid.", s)
	}
	return p, nil
}

// claimable refuses a range that something else of this machine has.
func (a *API) claimable(cidr netip.Prefix) error {
	if i := slices.IndexFunc(a.Public, cidr.Overlaps); i >= 0 {
		return awserr.New("InvalidVpc.Range", "The CIDR '%s' is invalid: it overlaps %s, which are public addresses here.", cidr, a.Public[i])
	}
	if err := a.Claim(cidr); err != nil {
		return awserr.New("InvalidVpc.Range", "The CIDR '%s' is invalid: %s", cidr, err)
	}
	return nil
}

// free refuses a range that overlaps one of a VPC's.
func free(tx store.Tx, cidr netip.Prefix) error {
	all, err := ec2.Vpcs.List(tx, "")
	if err != nil {
		return fmt.Errorf("list VPCs: %w", err)
	}
	for _, v := range all {
		for _, o := range v.CIDRs() {
			if o.Overlaps(cidr) {
				return awserr.New("InvalidVpc.Range", "The CIDR '%s' is invalid: it overlaps %s of %s. VPCs here may not overlap.", cidr, o, v.ID)
			}
		}
	}
	return nil
}

// DeleteVpc deletes a VPC in which nothing is left but what it was made with.
func (a *API) DeleteVpc(ctx context.Context, in *sdk.DeleteVpcInput) (*sdk.DeleteVpcOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteVpcOutput, error) {
		vpc, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		if vpc.Default {
			return nil, awserr.New("OperationNotPermitted", "The VPC '%s' is the default one, which Skylift's own tools use. It cannot be deleted.", vpc.ID)
		}
		own, err := contents(tx, vpc.ID)
		if err != nil {
			return nil, err
		}
		if len(own.others) > 0 {
			return nil, request.Dependency(fmt.Sprintf("The vpc '%s' has dependencies and cannot be deleted.", vpc.ID), own.others)
		}
		for _, delete := range []func() error{
			func() error { return ec2.RouteTables.Delete(tx, own.table) },
			func() error { return ec2.SecurityGroups.Delete(tx, own.group) },
			func() error { return ec2.NetworkACLs.Delete(tx, own.acl) },
			func() error { return ec2.Vpcs.Delete(tx, vpc.ID) },
			func() error {
				return request.DropTags(tx, append(own.rules, vpc.ID, own.table, own.group, own.acl)...)
			},
		} {
			if err := delete(); err != nil {
				return nil, err
			}
		}
		return &sdk.DeleteVpcOutput{}, nil
	})
}

// inside is what is in a VPC: what it was made with, and the ids of all else.
type inside struct {
	table, group, acl string
	rules             []string // of group
	others            []string
}

func contents(tx store.Tx, vpc string) (in inside, err error) {
	other := func(id string) { in.others = append(in.others, id) }
	for _, read := range []func() error{
		func() error {
			return each(tx, ec2.Subnets, func(s *ec2.Subnet) string { return s.VpcID }, vpc, func(s *ec2.Subnet) { other(s.ID) })
		},
		func() error {
			return each(tx, ec2.InternetGateways, func(g *ec2.InternetGateway) string { return g.VpcID }, vpc, func(g *ec2.InternetGateway) { other(g.ID) })
		},
		func() error {
			return each(tx, ec2.Endpoints, func(e *ec2.Endpoint) string { return e.VpcID }, vpc, func(e *ec2.Endpoint) { other(e.ID) })
		},
		func() error {
			return each(tx, ec2.RouteTables, func(t *ec2.RouteTable) string { return t.VpcID }, vpc, func(t *ec2.RouteTable) {
				if t.IsMain() {
					in.table = t.ID
				} else {
					other(t.ID)
				}
			})
		},
		func() error {
			return each(tx, ec2.NetworkACLs, func(l *ec2.NetworkACL) string { return l.VpcID }, vpc, func(l *ec2.NetworkACL) {
				if l.Default {
					in.acl = l.ID
				} else {
					other(l.ID)
				}
			})
		},
		func() error {
			return each(tx, ec2.SecurityGroups, func(g *ec2.SecurityGroup) string { return g.VpcID }, vpc, func(g *ec2.SecurityGroup) {
				if g.Name != ec2.DefaultGroupName {
					other(g.ID)
					return
				}
				in.group = g.ID
				for _, r := range g.Rules {
					in.rules = append(in.rules, r.ID)
				}
			})
		},
		func() error {
			return each(tx, ec2.Peerings, func(p *ec2.Peering) string {
				if p.Other(vpc) != "" && (p.State == ec2.PeeringActive || p.State == ec2.PeeringPending) {
					return vpc
				}
				return ""
			}, vpc, func(p *ec2.Peering) { other(p.ID) })
		},
	} {
		if err := read(); err != nil {
			return in, err
		}
	}
	return in, nil
}

// each calls f with the records whose VPC is vpc.
func each[T any](tx store.Tx, t *store.Table[T], of func(*T) string, vpc string, f func(*T)) error {
	for v, err := range t.Peek(tx, "") {
		if err != nil {
			return fmt.Errorf("read what is in %s: %w", vpc, err)
		}
		if of(v) == vpc {
			f(v)
		}
	}
	return nil
}
