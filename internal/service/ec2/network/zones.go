package network

import (
	"context"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ec2/list"
	"github.com/skylift/skylift/internal/service/ec2/request"
)

// DescribeAvailabilityZones lists the region's zones.
func (a *API) DescribeAvailabilityZones(_ context.Context, in *sdk.DescribeAvailabilityZonesInput) (*sdk.DescribeAvailabilityZonesOutput, error) {
	// AllAvailabilityZones asks for zones without opt-in as well. There are none.
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	zones := a.zones()
	if err := known("zone name", in.ZoneNames, zones, func(z zone) string { return z.name }); err != nil {
		return nil, err
	}
	if err := known("zone ID", in.ZoneIds, zones, func(z zone) string { return z.id }); err != nil {
		return nil, err
	}
	zones = slices.DeleteFunc(zones, func(z zone) bool {
		return len(in.ZoneNames)+len(in.ZoneIds) > 0 && !slices.Contains(in.ZoneNames, z.name) && !slices.Contains(in.ZoneIds, z.id)
	})
	zones, err := a.zoneListing().Filter(zones, in.Filters, nil)
	if err != nil {
		return nil, err
	}
	out := &sdk.DescribeAvailabilityZonesOutput{AvailabilityZones: []types.AvailabilityZone{}}
	for _, z := range zones {
		out.AvailabilityZones = append(out.AvailabilityZones, types.AvailabilityZone{
			ZoneName: new(z.name), ZoneId: new(z.id), ZoneType: new("availability-zone"), RegionName: &a.ns.Region,
			GroupName: new(a.ns.Region + "-zg-1"), Messages: []types.AvailabilityZoneMessage{}, NetworkBorderGroup: &a.ns.Region,
			OptInStatus: types.AvailabilityZoneOptInStatusOptInNotRequired, State: types.AvailabilityZoneStateAvailable,
		})
	}
	return out, nil
}

// known refuses names that no zone has.
func known(what string, names []string, zones []zone, name func(zone) string) error {
	for _, n := range names {
		if !slices.ContainsFunc(zones, func(z zone) bool { return name(z) == n }) {
			return awserr.New("InvalidParameterValue", "Invalid availability %s: [%s]", what, n)
		}
	}
	return nil
}

func (a *API) zoneListing() list.Of[zone] {
	return list.Of[zone]{ID: func(z zone) string { return z.id }, Fields: map[string]func(zone) []string{
		"group-long-name":  nil,
		"group-name":       list.Always[zone](a.ns.Region + "-zg-1"),
		"message":          nil,
		"opt-in-status":    list.Always[zone]("opt-in-not-required"),
		"parent-zone-id":   nil,
		"parent-zone-name": nil,
		"region-name":      list.Always[zone](a.ns.Region),
		"state":            list.Always[zone]("available"),
		"zone-id":          func(z zone) []string { return list.One(z.id) },
		"zone-name":        func(z zone) []string { return list.One(z.name) },
		"zone-type":        list.Always[zone]("availability-zone"),
	}}
}
