package addresses

import (
	"context"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// DescribeAddresses lists elastic addresses.
func (a *API) DescribeAddresses(ctx context.Context, in *sdk.DescribeAddressesInput) (*sdk.DescribeAddressesOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeAddressesOutput, error) {
		all, err := views(tx)
		if err != nil {
			return nil, err
		}
		tags, err := request.AllTags(tx)
		if err != nil {
			return nil, err
		}
		q := list.Question{IDs: slices.Clone(in.AllocationIds), Filters: in.Filters}
		for _, addr := range in.PublicIps {
			e, err := byAddress(tx, addr)
			if err != nil {
				return nil, err
			}
			q.IDs = append(q.IDs, e.ID)
		}
		chosen, _, err := a.listing().Answer(all, q, tags)
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeAddressesOutput{Addresses: []types.Address{}}
		for _, v := range chosen {
			out.Addresses = append(out.Addresses, a.shape(v, request.TagType.To(tags[v.ID].Tags)))
		}
		return out, nil
	})
}

// view is an elastic address with the interface that has it; the zero one when none has.
type view struct {
	ec2.ElasticAddress
	at ec2.Interface
}

func views(tx store.Tx) ([]view, error) {
	all, err := ec2.ElasticAddresses.List(tx, "")
	if err != nil {
		return nil, fmt.Errorf("list elastic addresses: %w", err)
	}
	var out []view
	for _, e := range all {
		v := view{ElasticAddress: e}
		if e.Interface != "" {
			if v.at, err = ec2.Interfaces.Get(tx, e.Interface); err != nil {
				return nil, fmt.Errorf("read %s, which has %s: %w", e.Interface, e.ID, err)
			}
		}
		out = append(out, v)
	}
	return out, nil
}

func (a *API) listing() list.Of[view] {
	return list.Of[view]{Kind: request.Address, ID: func(v view) string { return v.ID }, Fields: map[string]func(view) []string{
		"allocation-id":        func(v view) []string { return list.One(v.ID) },
		"association-id":       func(v view) []string { return list.One(v.AssociationID) },
		"domain":               list.Always[view]("vpc"),
		"instance-id":          nil,
		"network-border-group": list.Always[view](a.ns.Region),
		"network-interface-id": func(v view) []string { return list.One(v.Interface) },
		"network-interface-owner-id": func(v view) []string {
			if v.Interface == "" {
				return nil
			}
			return list.One(a.ns.Account)
		},
		"private-ip-address": func(v view) []string {
			if !v.PrivateAddr.IsValid() {
				return nil
			}
			return list.One(v.PrivateAddr.String())
		},
		"public-ip": func(v view) []string { return list.One(v.Addr.String()) },
	}}
}

func (a *API) shape(v view, tags []types.Tag) types.Address {
	out := types.Address{
		AllocationId: &v.ID, PublicIp: new(v.Addr.String()), Domain: types.DomainTypeVpc, PublicIpv4Pool: new("amazon"),
		NetworkBorderGroup: &a.ns.Region, Tags: tags,
	}
	if v.AssociationID != "" {
		out.AssociationId, out.NetworkInterfaceId, out.NetworkInterfaceOwnerId = &v.AssociationID, &v.Interface, &a.ns.Account
		out.PrivateIpAddress, out.SubnetId = new(v.PrivateAddr.String()), &v.at.SubnetID
	}
	return out
}

// DescribeAddressesAttribute lists the names that elastic addresses have in the DNS for themselves. None has any.
func (a *API) DescribeAddressesAttribute(ctx context.Context, in *sdk.DescribeAddressesAttributeInput) (*sdk.DescribeAddressesAttributeOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeAddressesAttributeOutput, error) {
		for _, id := range in.AllocationIds {
			if _, err := request.Get(tx, ec2.ElasticAddresses, request.Address, id); err != nil {
				return nil, err
			}
		}
		return &sdk.DescribeAddressesAttributeOutput{Addresses: []types.AddressAttribute{}}, nil
	})
}
