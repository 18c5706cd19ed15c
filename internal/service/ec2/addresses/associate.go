package addresses

import (
	"context"
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// AssociateAddress makes an elastic address the public one of an interface's address. What that had before is put off; what
// had the elastic address before loses it, unless AllowReassociation is false.
func (a *API) AssociateAddress(ctx context.Context, in *sdk.AssociateAddressInput) (*sdk.AssociateAddressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if request.Given(in.NetworkInterfaceId) == nil {
		return nil, awserr.New("MissingParameter", "Either instance ID or network interface id must be specified")
	}
	id := ec2.NewID("eipassoc")
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.AssociateAddressOutput, error) {
		e, err := named(tx, in.AllocationId, in.PublicIp)
		if err != nil {
			return nil, err
		}
		i, err := request.Get(tx, ec2.Interfaces, request.Interface, *in.NetworkInterfaceId)
		if err != nil {
			return nil, err
		}
		if i.Type != ec2.PlainInterface {
			return nil, awserr.New("OperationNotPermitted", "You are not allowed to manage 'ela-attach' attachments: %s is of a service (%s).", i.ID, i.Type)
		}
		private, err := privateOf(i, in.PrivateIpAddress)
		if err != nil {
			return nil, err
		}
		if e.AssociationID != "" && e.Interface == i.ID && e.PrivateAddr == private {
			return &sdk.AssociateAddressOutput{AssociationId: &e.AssociationID}, nil
		}
		kept, err := natHas(tx, e)
		if err != nil {
			return nil, err
		}
		if kept || e.AssociationID != "" && in.AllowReassociation != nil && !*in.AllowReassociation {
			return nil, awserr.New("Resource.AlreadyAssociated", "resource %s is already associated with associate-id %s", e.ID, e.AssociationID)
		}
		e.AssociationID = id
		return &sdk.AssociateAddressOutput{AssociationId: &id}, Bind(tx, e, i, private)
	})
}

// natHas tells whether a NAT gateway has e, which keeps it.
func natHas(tx store.Tx, e ec2.ElasticAddress) (bool, error) {
	if e.Interface == "" {
		return false, nil
	}
	i, err := ec2.Interfaces.Get(tx, e.Interface)
	return i.Type == ec2.NatInterface, err
}

// privateOf returns the address of i that a request names; the primary one when it names none.
func privateOf(i ec2.Interface, named *string) (netip.Addr, error) {
	if aws.ToString(named) == "" {
		return i.Addr, nil
	}
	addr, err := netip.ParseAddr(*named)
	if err != nil || addr != i.Addr && !slices.Contains(i.Secondary, addr) {
		return addr, awserr.New("InvalidParameterValue", "%s is not an assigned private address of %s", *named, i.ID)
	}
	return addr, nil
}

// Bind writes e, whose AssociationID is set, as the public address of private, one of i's. The VPC must have a way out.
func Bind(tx store.Tx, e ec2.ElasticAddress, i ec2.Interface, private netip.Addr) error {
	gateway, err := ec2.GatewayOf(tx, i.VpcID)
	if err != nil {
		return err
	}
	if gateway == "" {
		return awserr.New("Gateway.NotAttached", "Network %s is not attached to any internet gateway", i.VpcID)
	}
	had, err := ec2.ElasticAddresses.By(tx, "interface", i.ID)
	if err != nil {
		return err
	}
	for _, o := range had {
		if o.PrivateAddr == private && o.ID != e.ID {
			if err := Unbind(tx, o); err != nil {
				return err
			}
		}
	}
	if private == i.Addr && i.PublicAddr.IsValid() {
		if err := TakeBack(tx, i.PublicAddr); err != nil {
			return err
		}
		i.PublicAddr = netip.Addr{}
		if err := ec2.Interfaces.Put(tx, i.ID, i); err != nil {
			return err
		}
	}
	e.Interface, e.PrivateAddr = i.ID, private
	return ec2.ElasticAddresses.Put(tx, e.ID, e)
}

// Unbind writes e as an address that nothing has.
func Unbind(tx store.Tx, e ec2.ElasticAddress) error {
	e.AssociationID, e.Interface, e.PrivateAddr = "", "", netip.Addr{}
	return ec2.ElasticAddresses.Put(tx, e.ID, e)
}

// Part takes every public address from an interface that goes.
func Part(tx store.Tx, i ec2.Interface) error {
	had, err := ec2.ElasticAddresses.By(tx, "interface", i.ID)
	if err != nil {
		return err
	}
	for _, e := range had {
		if err := Unbind(tx, e); err != nil {
			return err
		}
	}
	if i.PublicAddr.IsValid() {
		return TakeBack(tx, i.PublicAddr)
	}
	return nil
}

// DisassociateAddress takes an elastic address from what has it.
func (a *API) DisassociateAddress(ctx context.Context, in *sdk.DisassociateAddressInput) (*sdk.DisassociateAddressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	association, addr := request.Given(in.AssociationId), request.Given(in.PublicIp)
	switch {
	case association != nil && addr != nil:
		return nil, awserr.New("InvalidParameterCombination", "You may specify public IP or association id, but not both in the same call")
	case association == nil && addr == nil:
		return nil, awserr.New("MissingParameter", "Either public IP or association id must be specified")
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.DisassociateAddressOutput, error) {
		var e ec2.ElasticAddress
		var err error
		if association != nil {
			e, err = byAssociation(tx, *association)
		} else {
			e, err = byAddress(tx, *addr)
		}
		if err != nil {
			return nil, err
		}
		kept, err := natHas(tx, e)
		if err != nil {
			return nil, err
		}
		if kept {
			return nil, awserr.New("AuthFailure", "You do not have permission to access the specified resource: a NAT gateway has %s.", e.Addr)
		}
		return &sdk.DisassociateAddressOutput{}, Unbind(tx, e)
	})
}
