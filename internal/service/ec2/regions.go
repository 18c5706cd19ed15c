package ec2

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
)

// DescribeRegions lists the one region that there is.
func (a *API) DescribeRegions(_ context.Context, in *ec2.DescribeRegionsInput) (*ec2.DescribeRegionsOutput, error) {
	// AllRegions asks for those that one has not opted in to as well: there are
	// none.
	if err := check(in.DryRun); err != nil {
		return nil, err
	}
	for _, name := range in.RegionNames {
		if name != a.ns.Region {
			return nil, awserr.New("InvalidParameterValue", "Invalid region name: [%s]. The region here is %s.", name, a.ns.Region)
		}
	}
	endpoint := "ec2." + a.ns.Region + ".amazonaws.com"
	l := listing[string]{kind{}, func(r string) string { return r }, map[string]func(string) []string{
		"endpoint":      always[string](endpoint),
		"opt-in-status": always[string]("opt-in-not-required"),
		"region-name":   one,
	}}
	regions, err := l.filter([]string{a.ns.Region}, in.Filters, nil)
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeRegionsOutput{Regions: []types.Region{}}
	for _, r := range regions {
		out.Regions = append(out.Regions, types.Region{RegionName: &r, Endpoint: &endpoint, OptInStatus: new("opt-in-not-required")})
	}
	return out, nil
}
