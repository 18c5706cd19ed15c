package network

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// attribute returns one of v's attributes.
func attribute(v *ec2.Vpc, name types.VpcAttributeName) *bool {
	switch name {
	case types.VpcAttributeNameEnableDnsHostnames:
		return &v.DNSHostnames
	case types.VpcAttributeNameEnableDnsSupport:
		return &v.DNSSupport
	default:
		return new(false) // there are no metrics of addresses
	}
}

// DescribeVpcAttribute returns one attribute of a VPC.
func (a *API) DescribeVpcAttribute(ctx context.Context, in *sdk.DescribeVpcAttributeInput) (*sdk.DescribeVpcAttributeOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sdk.DescribeVpcAttributeOutput, error) {
		v, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		out := &sdk.DescribeVpcAttributeOutput{VpcId: &v.ID}
		value := &types.AttributeBooleanValue{Value: attribute(&v, in.Attribute)}
		switch in.Attribute {
		case types.VpcAttributeNameEnableDnsHostnames:
			out.EnableDnsHostnames = value
		case types.VpcAttributeNameEnableDnsSupport:
			out.EnableDnsSupport = value
		case types.VpcAttributeNameEnableNetworkAddressUsageMetrics:
			out.EnableNetworkAddressUsageMetrics = value
		}
		return out, nil
	})
}

// ModifyVpcAttribute changes one attribute of a VPC.
func (a *API) ModifyVpcAttribute(ctx context.Context, in *sdk.ModifyVpcAttributeInput) (*sdk.ModifyVpcAttributeOutput, error) {
	if err := oneAttribute(changedAttribute(ctx, in), "enableDnsHostnames, enableDnsSupport and enableNetworkAddressUsageMetrics"); err != nil {
		return nil, err
	}
	if m := in.EnableNetworkAddressUsageMetrics; m != nil && aws.ToBool(m.Value) {
		return nil, awserr.New("UnsupportedOperation", "The value 'true' of the attribute 'enableNetworkAddressUsageMetrics' is not supported by Skylift: only 'false' is.")
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sdk.ModifyVpcAttributeOutput, error) {
		v, err := request.Get(tx, ec2.Vpcs, request.Vpc, aws.ToString(in.VpcId))
		if err != nil {
			return nil, err
		}
		for name, given := range map[types.VpcAttributeName]*types.AttributeBooleanValue{
			types.VpcAttributeNameEnableDnsHostnames: in.EnableDnsHostnames,
			types.VpcAttributeNameEnableDnsSupport:   in.EnableDnsSupport,
		} {
			if given != nil {
				*attribute(&v, name) = aws.ToBool(given.Value)
			}
		}
		if v.DNSHostnames && !v.DNSSupport && in.EnableDnsHostnames != nil {
			return nil, awserr.New("InvalidParameterValue", "DNS hostnames cannot be enabled in '%s', which has DNS support disabled.", v.ID)
		}
		return &sdk.ModifyVpcAttributeOutput{}, ec2.Vpcs.Put(tx, v.ID, v)
	})
}

// oneAttribute refuses a request that changes none or several attributes. known are those that there are.
func oneAttribute(given []string, known string) error {
	switch len(given) {
	case 0:
		return awserr.New("MissingParameter", "The request must contain one of %s", known)
	case 1:
		return nil
	}
	names := make([]string, len(given))
	for i, name := range given {
		names[i] = strings.ToLower(name[:1]) + name[1:]
	}
	return awserr.New("InvalidParameterCombination", "Fields for multiple attribute types specified: %s", strings.Join(names, ", "))
}

// changedAttribute is the value of ec2:Attribute.
func changedAttribute(_ context.Context, in *sdk.ModifyVpcAttributeInput) (names []string) {
	if in.EnableDnsHostnames != nil && in.EnableDnsHostnames.Value != nil {
		names = append(names, "EnableDnsHostnames")
	}
	if in.EnableDnsSupport != nil && in.EnableDnsSupport.Value != nil {
		names = append(names, "EnableDnsSupport")
	}
	if in.EnableNetworkAddressUsageMetrics != nil && in.EnableNetworkAddressUsageMetrics.Value != nil {
		names = append(names, "EnableNetworkAddressUsageMetrics")
	}
	return names
}
