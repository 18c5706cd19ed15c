package awserr

import (
	"errors"
	"strings"
	"testing"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		in   elb.CreateLoadBalancerInput
		want string // the field refused; empty: none
	}{
		{"only what is supported", elb.CreateLoadBalancerInput{Name: new("a")}, ""},
		{"a pointer", elb.CreateLoadBalancerInput{Name: new("a"), CustomerOwnedIpv4Pool: new("p")}, "CustomerOwnedIpv4Pool"},
		{"an enum", elb.CreateLoadBalancerInput{Type: types.LoadBalancerTypeEnumNetwork}, "Type"},
		{"a struct", elb.CreateLoadBalancerInput{IpamPools: &types.IpamPools{}}, "IpamPools"},
		{"an empty list", elb.CreateLoadBalancerInput{Subnets: []string{}}, ""},
		{"a list", elb.CreateLoadBalancerInput{Subnets: []string{"s"}}, "Subnets"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Refuse(&tt.in, "InvalidConfigurationRequest", "Name")
			if tt.want == "" {
				if err != nil {
					t.Fatalf("got %v, want no error", err)
				}
				return
			}
			e, ok := errors.AsType[smithy.APIError](err)
			if !ok || e.ErrorCode() != "InvalidConfigurationRequest" || !strings.Contains(e.ErrorMessage(), "'"+tt.want+"'") {
				t.Errorf("got %v, want InvalidConfigurationRequest naming %s", err, tt.want)
			}
		})
	}
}
