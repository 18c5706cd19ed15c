package ec2

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// vpcAttributes is what a default VPC's attributes are, and are ours always.
var vpcAttributes = map[types.VpcAttributeName]bool{
	types.VpcAttributeNameEnableDnsHostnames:               true,
	types.VpcAttributeNameEnableDnsSupport:                 true,
	types.VpcAttributeNameEnableNetworkAddressUsageMetrics: false,
}

// DescribeVpcAttribute says what one attribute of a VPC is.
func (a *API) DescribeVpcAttribute(ctx context.Context, in *ec2.DescribeVpcAttributeInput) (*ec2.DescribeVpcAttributeOutput, error) {
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*ec2.DescribeVpcAttributeOutput, error) {
		v, err := vpcByID(tx, deref(in.VpcId))
		if err != nil {
			return nil, err
		}
		out := &ec2.DescribeVpcAttributeOutput{VpcId: &v.ID}
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

// ModifyVpcAttribute takes what is so already, one attribute in a call, as
// tools say it when they take over a VPC. Another value is refused.
func (a *API) ModifyVpcAttribute(ctx context.Context, in *ec2.ModifyVpcAttributeInput) (*ec2.ModifyVpcAttributeOutput, error) {
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
	if err := a.CheckVPC(ctx, deref(in.VpcId)); err != nil {
		return nil, err
	}
	if refused != nil {
		return nil, refused
	}
	return &ec2.ModifyVpcAttributeOutput{}, nil
}
