package interfaces

import (
	"context"
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

func newInterfaceFaults(in *sdk.CreateNetworkInterfaceInput) (f awserr.Faults) {
	_, err := primary(in)
	f.Add(err)
	f.Add(checkDescription(in.Description))
	f.Add(request.TagSpecFaults(request.Interface.Type, in.TagSpecifications)...)
	return f
}

// primary returns the address that a request names; the zero Addr when it names none.
func primary(in *sdk.CreateNetworkInterfaceInput) (netip.Addr, error) {
	addr := aws.ToString(in.PrivateIpAddress)
	switch l := in.PrivateIpAddresses; {
	case len(l) > 1:
		return netip.Addr{}, awserr.New("UnsupportedOperation", "Secondary addresses in the parameter privateIpAddresses are not supported by Skylift: an interface has one address.")
	case len(l) == 1 && addr != "":
		return netip.Addr{}, awserr.New("InvalidParameterCombination", "The parameters privateIpAddress and privateIpAddresses cannot be used together")
	case len(l) == 1:
		addr = aws.ToString(l[0].PrivateIpAddress)
	}
	if addr == "" {
		return netip.Addr{}, nil
	}
	return readAddr(addr)
}

func readAddr(s string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(s)
	if err != nil || !addr.Is4() {
		return addr, awserr.New("InvalidParameterValue", "Value (%s) for parameter privateIpAddress is invalid.", s)
	}
	return addr, nil
}

func checkDescription(d *string) error {
	if s := aws.ToString(d); len(s) > 255 {
		return awserr.New("InvalidParameterValue", "Value (%s) for parameter description is invalid. It must not be longer than 255 characters.", s)
	}
	return nil
}

// CreateNetworkInterface makes an interface that nothing has: it keeps an address for whoever asks for it.
func (a *API) CreateNetworkInterface(ctx context.Context, in *sdk.CreateNetworkInterfaceInput) (*sdk.CreateNetworkInterfaceOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	if err := newInterfaceFaults(in).First(); err != nil {
		return nil, err
	}
	token, err := request.ReadToken(in.ClientToken, *in)
	if err != nil {
		return nil, err
	}
	i := New(ec2.PlainInterface, aws.ToString(in.SubnetId), "", aws.ToString(in.Description))
	i.RequesterManaged, i.Groups, i.Token = false, slices.Clone(in.Groups), token
	if i.Addr, err = primary(in); err != nil {
		return nil, err
	}
	a.allocating.Lock()
	defer a.allocating.Unlock()
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.CreateNetworkInterfaceOutput, error) {
		made, there, err := request.Again(tx, ec2.Interfaces, token, func(i *ec2.Interface) ec2.Token { return i.Token })
		if err != nil {
			return nil, err
		}
		var tags []types.Tag
		if !there {
			if made, err = Create(tx, i); err != nil {
				return nil, err
			}
			if tags, err = request.Tagged(tx, made.ID, request.Interface, in.TagSpecifications); err != nil {
				return nil, err
			}
		}
		names, err := groupNames(tx)
		if err != nil {
			return nil, err
		}
		out := a.interfaceShape(view{Interface: made}, tags, names)
		if !there {
			out.Status = "pending" // which is none of the SDK's constants
		}
		return &sdk.CreateNetworkInterfaceOutput{NetworkInterface: &out, ClientToken: in.ClientToken}, nil
	})
}

// DeleteNetworkInterface deletes an interface that nothing has.
func (a *API) DeleteNetworkInterface(ctx context.Context, in *sdk.DeleteNetworkInterfaceInput) (*sdk.DeleteNetworkInterfaceOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return &sdk.DeleteNetworkInterfaceOutput{}, a.db.Update(ctx, func(tx store.Tx) error {
		i, err := request.Get(tx, ec2.Interfaces, request.Interface, aws.ToString(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if i.OwnerKey != "" {
			return awserr.New("InvalidParameterValue", "Network interface '%s' is currently in use.", i.ID)
		}
		return Remove(tx, i)
	})
}

// ModifyNetworkInterfaceAttribute changes one attribute of an interface. Of one that belongs to a service only a task's
// groups can be changed, which bite at once.
func (a *API) ModifyNetworkInterfaceAttribute(ctx context.Context, in *sdk.ModifyNetworkInterfaceAttributeInput) (*sdk.ModifyNetworkInterfaceAttributeOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	switch given := changedAttribute(ctx, in); {
	case len(given) == 0:
		return nil, awserr.New("MissingParameter", "The request must contain one of description, sourceDestCheck and securityGroupId")
	case len(given) > 1:
		return nil, awserr.New("InvalidParameterCombination", "Fields for multiple attribute types specified")
	}
	if in.SourceDestCheck != nil && !aws.ToBool(in.SourceDestCheck.Value) {
		return nil, awserr.New("UnsupportedOperation", "The value 'false' of the attribute 'sourceDestCheck' is not supported by Skylift: only 'true' is.")
	}
	return &sdk.ModifyNetworkInterfaceAttributeOutput{}, a.db.Update(ctx, func(tx store.Tx) error {
		i, err := request.Get(tx, ec2.Interfaces, request.Interface, aws.ToString(in.NetworkInterfaceId))
		if err != nil {
			return err
		}
		if i.Type != ec2.PlainInterface || i.RequesterManaged && len(in.Groups) == 0 {
			return awserr.New("AuthFailure", "You do not have permission to access the specified resource: a service made %s.", i.ID)
		}
		switch {
		case in.Description != nil:
			if err := checkDescription(in.Description.Value); err != nil {
				return err
			}
			i.Description = aws.ToString(in.Description.Value)
		case len(in.Groups) > 0:
			if i.Groups, err = groupsFor(tx, i.VpcID, slices.Clone(in.Groups)); err != nil {
				return err
			}
		}
		return ec2.Interfaces.Put(tx, i.ID, i)
	})
}

// changedAttribute is the value of ec2:Attribute.
func changedAttribute(_ context.Context, in *sdk.ModifyNetworkInterfaceAttributeInput) (names []string) {
	for _, at := range []struct {
		name  string
		given bool
	}{
		{"Description", in.Description != nil}, {"Groups", len(in.Groups) > 0}, {"SourceDestCheck", in.SourceDestCheck != nil},
	} {
		if at.given {
			names = append(names, at.name)
		}
	}
	return names
}

// DescribeNetworkInterfaceAttribute returns one attribute of an interface.
func (a *API) DescribeNetworkInterfaceAttribute(ctx context.Context, in *sdk.DescribeNetworkInterfaceAttributeInput) (*sdk.DescribeNetworkInterfaceAttributeOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeNetworkInterfaceAttributeOutput, error) {
		i, err := request.Get(tx, ec2.Interfaces, request.Interface, aws.ToString(in.NetworkInterfaceId))
		if err != nil {
			return nil, err
		}
		names, err := groupNames(tx)
		if err != nil {
			return nil, err
		}
		shape := a.interfaceShape(view{Interface: i}, nil, names)
		out := &sdk.DescribeNetworkInterfaceAttributeOutput{NetworkInterfaceId: &i.ID}
		switch in.Attribute {
		case types.NetworkInterfaceAttributeDescription:
			out.Description = &types.AttributeValue{Value: shape.Description}
		case types.NetworkInterfaceAttributeGroupSet:
			out.Groups = shape.Groups
		case types.NetworkInterfaceAttributeSourceDestCheck:
			out.SourceDestCheck = &types.AttributeBooleanValue{Value: shape.SourceDestCheck}
		case types.NetworkInterfaceAttributeAttachment:
			out.Attachment = shape.Attachment
		case types.NetworkInterfaceAttributeAssociatePublicIpAddress:
			out.AssociatePublicIpAddress = new(i.PublicAddr.IsValid())
		default:
			return nil, awserr.New("MissingParameter", "The request must contain the parameter attribute")
		}
		return out, nil
	})
}
