package api

import (
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// TestRequestsSayWhatTheyAreOn asks for the resources of requests that name them by id, by name and not at all.
func TestRequestsSayWhatTheyAreOn(t *testing.T) {
	t.Parallel()
	a := account(t)
	s, err := wiretest.New("ec2", a.Operations())
	if err != nil {
		t.Fatal(err)
	}
	group := records(t, a, ec2.SecurityGroups)[0]
	for _, tc := range []struct {
		in   any
		want string
	}{
		{&sdk.DeleteSecurityGroupInput{GroupId: new("sg-1")}, "security-group/sg-1"},
		{&sdk.DeleteSecurityGroupInput{GroupName: &group.Name}, "security-group/" + group.ID},
		{&sdk.DeleteSecurityGroupInput{GroupName: new("gone")}, "security-group/*"},
		{&sdk.CreateSecurityGroupInput{GroupName: new("a"), Description: new("b"), VpcId: new("vpc-1")}, "vpc/vpc-1 security-group/*"},
		{&sdk.CreateSecurityGroupInput{GroupName: new("a"), Description: new("b")}, "security-group/*"},
		{&sdk.CreateTagsInput{Resources: []string{"vpc-1", "sgr-2", "x-3"}, Tags: []types.Tag{{Key: new("k"), Value: new("v")}}}, "vpc/vpc-1 security-group-rule/sgr-2 x-3"},
		{&sdk.DescribeVpcsInput{VpcIds: []string{"vpc-1"}}, "*"},
	} {
		c, err := s.Decode(t, tc.in)
		if err != nil {
			t.Errorf("%T: %v", tc.in, err)
			continue
		}
		got := strings.ReplaceAll(strings.Join(wiretest.On(t, c, testNS), " "), "arn:aws:ec2:us-west-2:123456789012:", "")
		if got != tc.want {
			t.Errorf("%s: got %q, want %q", c.Operation, got, tc.want)
		}
	}
}
