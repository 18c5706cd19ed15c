package addresses

import (
	"context"
	"net/netip"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// AllocateAddress gives the account a public address of the pool: a free one, or the one that it names.
func (a *API) AllocateAddress(ctx context.Context, in *sdk.AllocateAddressInput) (*sdk.AllocateAddressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := a.checkBorder(in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	e := ec2.ElasticAddress{ID: ec2.NewID("eipalloc")}
	return handler.Update(ctx, a.db, func(tx store.Tx) (out *sdk.AllocateAddressOutput, err error) {
		if want := aws.ToString(in.Address); want != "" {
			e.Addr, err = a.take(tx, want, e.ID)
		} else {
			e.Addr, err = a.pool.Give(tx, e.ID)
		}
		if err != nil {
			return nil, err
		}
		if _, err := request.Tagged(tx, e.ID, request.Address, in.TagSpecifications); err != nil {
			return nil, err
		}
		return &sdk.AllocateAddressOutput{
			AllocationId: &e.ID, PublicIp: new(e.Addr.String()), Domain: types.DomainTypeVpc, PublicIpv4Pool: new("amazon"), NetworkBorderGroup: &a.ns.Region,
		}, ec2.ElasticAddresses.Put(tx, e.ID, e)
	})
}

// checkBorder refuses another network border group than the region, which is the one that there is.
func (a *API) checkBorder(group *string) error {
	if g := aws.ToString(group); g != "" && g != a.ns.Region {
		return awserr.New("InvalidParameterValue", "Value (%s) for parameter networkBorderGroup is invalid. The one here is %s.", g, a.ns.Region)
	}
	return nil
}

// take takes an address that is asked for by name.
func (a *API) take(tx store.Tx, want, holder string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(want)
	if err != nil {
		return addr, awserr.New("InvalidParameterValue", "Value (%s) for parameter address is invalid.", want)
	}
	_, taken, err := handler.Find(tx, ec2.Addresses, ec2.AddressKey(ec2.PublicPool, addr))
	if err == nil && (taken || !a.pool.Contains(addr)) {
		err = awserr.New("InvalidAddress.NotFound", "Address '%s' not found.", want)
	}
	if err != nil {
		return addr, err
	}
	return addr, ec2.Addresses.Put(tx, ec2.AddressKey(ec2.PublicPool, addr), ec2.Lease{Addr: addr, Interface: holder})
}

// byAddress returns the elastic address with that address.
func byAddress(tx store.Tx, addr string) (ec2.ElasticAddress, error) {
	found, err := ec2.ElasticAddresses.By(tx, "address", addr)
	if err != nil {
		return ec2.ElasticAddress{}, err
	}
	if len(found) == 0 {
		return ec2.ElasticAddress{}, awserr.New("InvalidAddress.NotFound", "Address '%s' not found.", addr)
	}
	return found[0], nil
}

// byAssociation returns the elastic address with that association.
func byAssociation(tx store.Tx, id string) (ec2.ElasticAddress, error) {
	for e, err := range ec2.ElasticAddresses.Scan(tx, "", "") {
		if err != nil {
			return ec2.ElasticAddress{}, err
		}
		if e.AssociationID == id && id != "" {
			return e, nil
		}
	}
	return ec2.ElasticAddress{}, awserr.New("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

// named returns the elastic address that a request names by id or by address.
func named(tx store.Tx, id, addr *string) (ec2.ElasticAddress, error) {
	switch id, addr := request.Given(id), request.Given(addr); {
	case id != nil && addr != nil:
		return ec2.ElasticAddress{}, awserr.New("InvalidParameterCombination", "You may specify public IP or allocation id, but not both in the same call")
	case id != nil:
		return request.Get(tx, ec2.ElasticAddresses, request.Address, *id)
	case addr != nil:
		return byAddress(tx, *addr)
	}
	return ec2.ElasticAddress{}, awserr.New("MissingParameter", "Either public IP or allocation id must be specified")
}

// ReleaseAddress gives an address back to the pool, which nothing has.
func (a *API) ReleaseAddress(ctx context.Context, in *sdk.ReleaseAddressInput) (*sdk.ReleaseAddressOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := a.checkBorder(in.NetworkBorderGroup); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ReleaseAddressOutput, error) {
		e, err := named(tx, in.AllocationId, in.PublicIp)
		if err != nil {
			return nil, err
		}
		if e.AssociationID != "" {
			return nil, awserr.New("InvalidIPAddress.InUse", "Address %s is in use: %s has it.", e.Addr, e.Interface)
		}
		if err := TakeBack(tx, e.Addr); err != nil {
			return nil, err
		}
		if err := request.DropTags(tx, e.ID); err != nil {
			return nil, err
		}
		return &sdk.ReleaseAddressOutput{}, ec2.ElasticAddresses.Delete(tx, e.ID)
	})
}
