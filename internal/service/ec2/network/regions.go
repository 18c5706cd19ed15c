package network

import (
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// DescribeRegions lists the one region that there is.
func (a *API) DescribeRegions(_ context.Context, in *sdk.DescribeRegionsInput) (*sdk.DescribeRegionsOutput, error) {
	// AllRegions asks for regions without opt-in as well. There are none.
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if name != a.ns.Region {
			return nil, awserr.New("InvalidParameterValue", "Invalid region name: [%s]. The region here is %s.", name, a.ns.Region)
		}
	}
	endpoint := "ec2." + a.ns.Region + ".amazonaws.com"
	l := list.Of[string]{ID: func(r string) string { return r }, Fields: map[string]func(string) []string{
		"endpoint":      list.Always[string](endpoint),
		"opt-in-status": list.Always[string]("opt-in-not-required"),
		"region-name":   list.One,
	}}
	regions, err := l.Filter([]string{a.ns.Region}, in.Filters, nil)
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeRegionsOutput{Regions: []types.Region{}}
	for _, r := range regions {
		out.Regions = append(out.Regions, types.Region{RegionName: &r, Endpoint: &endpoint, OptInStatus: new("opt-in-not-required")})
	}
	return out, nil
}
