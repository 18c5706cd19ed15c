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

// vpcAttributes has the attributes of a default VPC. Ours cannot be changed.
var vpcAttributes = map[types.VpcAttributeName]bool{
	types.VpcAttributeNameEnableDnsHostnames:               true,
	types.VpcAttributeNameEnableDnsSupport:                 true,
	types.VpcAttributeNameEnableNetworkAddressUsageMetrics: false,
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
		value := &types.AttributeBooleanValue{Value: new(vpcAttributes[in.Attribute])}
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

// ModifyVpcAttribute accepts the value that an attribute has already, one attribute in a
// call: tools send it when they take over a VPC. Another value is refused.
func (a *API) ModifyVpcAttribute(ctx context.Context, in *sdk.ModifyVpcAttributeInput) (*sdk.ModifyVpcAttributeOutput, error) {
	var given []string
	var refused error
	for _, at := range []struct {
		name  types.VpcAttributeName
		value *types.AttributeBooleanValue
	}{
		{types.VpcAttributeNameEnableDnsHostnames, in.EnableDnsHostnames},
		{types.VpcAttributeNameEnableDnsSupport, in.EnableDnsSupport},
		{types.VpcAttributeNameEnableNetworkAddressUsageMetrics, in.EnableNetworkAddressUsageMetrics},
	} {
		if at.value == nil || at.value.Value == nil {
			continue
		}
		given = append(given, string(at.name))
		if is := vpcAttributes[at.name]; *at.value.Value != is {
			refused = awserr.New("UnsupportedOperation", "The value '%t' of the attribute '%s' is not supported by Skylift: only '%t' is.", !is, at.name, is)
		}
	}
	if len(given) == 0 {
		return nil, awserr.New("MissingParameter", "The request must contain one of enableDnsHostnames, enableDnsSupport and enableNetworkAddressUsageMetrics")
	}
	if len(given) > 1 {
		return nil, awserr.New("InvalidParameterCombination", "Fields for multiple attribute types specified: %s", strings.Join(given, ", "))
	}
	if err := a.CheckVPC(ctx, aws.ToString(in.VpcId)); err != nil {
		return nil, err
	}
	if refused != nil {
		return nil, refused
	}
	return &sdk.ModifyVpcAttributeOutput{}, nil
}

// changedAttribute is the value of ec2:Attribute.
func changedAttribute(_ context.Context, in *sdk.ModifyVpcAttributeInput) (names []string) {
	if in.EnableDnsHostnames != nil {
		names = append(names, "EnableDnsHostnames")
	}
	if in.EnableDnsSupport != nil {
		names = append(names, "EnableDnsSupport")
	}
	if in.EnableNetworkAddressUsageMetrics != nil {
		names = append(names, "EnableNetworkAddressUsageMetrics")
	}
	return names
}
