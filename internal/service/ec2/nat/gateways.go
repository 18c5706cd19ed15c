package nat

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/addresses"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// shownFor is how long a gateway that was deleted, or failed, is shown
// (https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-working-with.html: about an hour).
const shownFor = time.Hour

func newGatewayFaults(in *sdk.CreateNatGatewayInput) (f awserr.Faults) {
	if request.Given(in.SubnetId) == nil {
		f.Add(awserr.New("MissingParameter", "The request must contain the parameter subnetId"))
	}
	if request.Given(in.AllocationId) == nil {
		f.Add(awserr.New("MissingParameter", "The request must include the AllocationId parameter. Add the required parameter and retry the request."))
	}
	if addr := aws.ToString(in.PrivateIpAddress); addr != "" {
		_, err := netip.ParseAddr(addr)
		if err != nil {
			f.Add(awserr.New("InvalidParameterValue", "Value (%s) for parameter privateIpAddress is invalid.", addr))
		}
	}
	f.Add(request.TagSpecFaults(request.NatGateway.Type, in.TagSpecifications)...)
	return f
}

// CreateNatGateway makes a NAT gateway in a subnet. A request that makes sense and can't be met makes one that failed and says
// why, as on AWS.
func (a *API) CreateNatGateway(ctx context.Context, in *sdk.CreateNatGatewayInput) (*sdk.CreateNatGatewayOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newGatewayFaults(in).First(); err != nil {
		return nil, err
	}
	token, err := request.ReadToken(in.ClientToken, *in)
	if err != nil {
		return nil, err
	}
	g := ec2.NatGateway{ID: ec2.NewID("nat"), SubnetID: *in.SubnetId, Created: time.Now().UTC(), Token: token}
	i := interfaces.New(ec2.NatInterface, g.SubnetID, "nat/"+g.ID, "Interface for NAT Gateway "+g.ID)
	i.AnySource = true
	if addr := aws.ToString(in.PrivateIpAddress); addr != "" {
		i.Addr = netip.MustParseAddr(addr) // newGatewayFaults has looked
	}
	association := ec2.NewID("eipassoc")
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateNatGatewayOutput, error) {
		out := &sdk.CreateNatGatewayOutput{ClientToken: in.ClientToken}
		had, there, err := request.Again(tx, ec2.NatGateways, token, func(g *ec2.NatGateway) ec2.Token { return g.Token })
		if err != nil || there {
			out.NatGateway = new(a.shape(had, nil))
			return out, err
		}
		if err := prune(tx, g.Created); err != nil {
			return nil, err
		}
		s, err := request.Get(tx, ec2.Subnets, request.Subnet, g.SubnetID)
		if err != nil {
			return nil, err
		}
		made := g
		made.VpcID, made.State = s.VpcID, ec2.NatAvailable
		if made.AllocationID = *in.AllocationId; request.Address.Check(made.AllocationID) != nil {
			return nil, request.Address.Check(made.AllocationID)
		}
		if err := ready(tx, made, i); err != nil {
			if made, err = failed(made, err); err != nil {
				return nil, err
			}
		} else if made, err = build(tx, made, i, association); err != nil {
			return nil, err
		}
		tags, err := request.Tagged(tx, made.ID, request.NatGateway, in.TagSpecifications)
		if err != nil {
			return nil, err
		}
		shape := a.shape(made, tags)
		shape.State, shape.FailureCode, shape.FailureMessage = types.NatGatewayStatePending, nil, nil
		out.NatGateway = &shape
		return out, ec2.NatGateways.Put(tx, made.ID, made)
	})
}

// ready returns why a gateway with that interface can't be made.
func ready(tx store.Tx, g ec2.NatGateway, i ec2.Interface) error {
	err := interfaces.Room(tx, i)
	if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == full {
		return awserr.New(full, "Subnet has insufficient free addresses to create this NAT gateway")
	}
	if err != nil {
		return err
	}
	gateway, err := ec2.GatewayOf(tx, g.VpcID)
	if err != nil {
		return err
	}
	if gateway == "" {
		return awserr.New("Gateway.NotAttached", "Network %s has no Internet gateway attached", g.VpcID)
	}
	e, there, err := handler.Find(tx, ec2.ElasticAddresses, g.AllocationID)
	switch {
	case err != nil:
		return err
	case !there:
		return awserr.New("InvalidAllocationID.NotFound", "Elastic IP address %s could not be associated with this NAT gateway", g.AllocationID)
	case e.AssociationID != "":
		return awserr.New("Resource.AlreadyAssociated", "Elastic IP address %s is already associated", g.AllocationID)
	}
	return nil
}

// full is the code of a subnet in which no address is left.
const full = "InsufficientFreeAddressesInSubnet"

// failures are the reasons that a gateway can have failed for
// (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html). For any other there is no gateway.
var failures = []string{"Gateway.NotAttached", full, "InvalidAllocationID.NotFound", "Resource.AlreadyAssociated"}

// failed is g as it failed; why is returned where it is no reason for that.
func failed(g ec2.NatGateway, why error) (ec2.NatGateway, error) {
	e, ok := errors.AsType[smithy.APIError](why)
	if !ok || !slices.Contains(failures, e.ErrorCode()) {
		return g, why
	}
	g.State, g.FailureCode, g.FailureReason, g.Deleted = ec2.NatFailed, e.ErrorCode(), e.ErrorMessage(), g.Created
	return g, nil
}

// build gives g its interface and its address.
func build(tx store.Tx, g ec2.NatGateway, i ec2.Interface, association string) (ec2.NatGateway, error) {
	i, err := interfaces.Create(tx, i)
	if err != nil {
		return g, err
	}
	g.Interface, g.Addr = i.ID, i.Addr
	e, err := ec2.ElasticAddresses.Get(tx, g.AllocationID)
	if err != nil {
		return g, err
	}
	e.AssociationID = association
	g.AssociationID, g.PublicAddr = association, e.Addr
	return g, addresses.Bind(tx, e, i, i.Addr)
}

// DeleteNatGateway deletes a gateway. Its elastic address stays the account's, and routes to it become blackholes.
func (a *API) DeleteNatGateway(ctx context.Context, in *sdk.DeleteNatGatewayInput) (*sdk.DeleteNatGatewayOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DeleteNatGatewayOutput, error) {
		if err := prune(tx, now); err != nil {
			return nil, err
		}
		g, err := request.Get(tx, ec2.NatGateways, request.NatGateway, aws.ToString(in.NatGatewayId))
		if err != nil {
			return nil, err
		}
		out := &sdk.DeleteNatGatewayOutput{NatGatewayId: &g.ID}
		if g.State != ec2.NatAvailable {
			return out, nil
		}
		i, err := ec2.Interfaces.Get(tx, g.Interface)
		if err != nil {
			return nil, err
		}
		if err := interfaces.Remove(tx, i); err != nil {
			return nil, err
		}
		if err := request.DropTags(tx, g.ID); err != nil {
			return nil, err
		}
		g.State, g.Deleted = ec2.NatDeleted, now
		return out, ec2.NatGateways.Put(tx, g.ID, g)
	})
}

// over tells whether g is not shown any more.
func over(g ec2.NatGateway, now time.Time) bool {
	return g.State != ec2.NatAvailable && now.Sub(g.Deleted) > shownFor
}

// prune forgets the gateways that are not shown any more.
func prune(tx store.Tx, now time.Time) error {
	all, err := ec2.NatGateways.List(tx, "")
	if err != nil {
		return err
	}
	for _, g := range all {
		if !over(g, now) {
			continue
		}
		if err := errors.Join(request.DropTags(tx, g.ID), ec2.NatGateways.Delete(tx, g.ID)); err != nil {
			return err
		}
	}
	return nil
}
