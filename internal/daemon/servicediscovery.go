package daemon

import (
	"context"

	checked "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/servicediscovery/types"

	"github.com/skylift/skylift/internal/service/route53/owned"
	zones "github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/servicediscovery"
	"github.com/skylift/skylift/internal/service/servicediscovery/record"
	"github.com/skylift/skylift/internal/service/servicediscovery/scope"
	"github.com/skylift/skylift/internal/store"
)

var discoveryService = service{make: (*builder).servicediscovery, tables: servicediscovery.Tables}

// servicediscovery makes Cloud Map, whose names are Route 53's.
func (b *builder) servicediscovery(context.Context) (part, error) {
	m := b.m
	b.discovery = servicediscovery.New(&scope.Scope{DB: m.db, NS: m.ns, Network: b.network, Zones: cloudMapZones{b.zones, b.lbs.HostedZone()}})
	return part{
		name: "servicediscovery", title: "Cloud Map", api: b.discovery, tagged: b.discovery, operations: b.discovery.Operations(),
		term: map[string]Runner{"servicediscovery/forget": whenDue(m, "servicediscovery/forget", record.Operations, b.discovery.Forget)},
	}, nil
}

// cloudMapZones is Route 53 as Cloud Map sees it.
type cloudMapZones struct {
	owned.API
	balancers string // the zone that aliases of balancers name
}

// cloudMap is the owner of Cloud Map's zones.
const cloudMap = "servicediscovery.amazonaws.com"

func zoneOf(z scope.Zone) owned.Zone {
	return owned.Zone{Name: z.Name, Comment: z.Description, VPC: z.VPC, TTL: z.TTL, Owner: zones.Owner{Principal: cloudMap, Description: z.Owner}}
}

// Create implements scope.Zones.
func (r cloudMapZones) Create(tx store.Tx, z scope.Zone) (string, error) {
	return r.API.Create(tx, zoneOf(z))
}

// Update implements scope.Zones.
func (r cloudMapZones) Update(tx store.Tx, id string, z scope.Zone) error {
	return r.API.Update(tx, id, zoneOf(z))
}

// Replace implements scope.Zones.
func (r cloudMapZones) Replace(tx store.Tx, zone string, was, is []record.Set) error {
	return r.API.Replace(tx, zone, r.sets(was), r.sets(is))
}

// sets are Cloud Map's sets as Route 53 has them. All weights are the same.
func (r cloudMapZones) sets(all []record.Set) (sets []zones.Set) {
	for _, s := range all {
		is := zones.Set{Name: s.Name, Type: s.Type, ID: s.ID, TTL: s.TTL, Values: s.Values, Check: s.Check}
		switch {
		case s.Weighted:
			is.Weight = new(int64(1))
		case s.ID != "":
			is.Multi = true
		}
		if s.Alias != "" {
			is.Alias = &zones.Alias{Zone: r.balancers, Name: s.Alias + "."}
		}
		sets = append(sets, is)
	}
	return sets
}

// Watch implements scope.Zones.
func (r cloudMapZones) Watch(tx store.Tx, addr string, port int32, c types.HealthCheckConfig) (string, error) {
	return r.API.Watch(tx, checked.HealthCheckConfig{
		Type: checked.HealthCheckType(c.Type), IPAddress: &addr, Port: &port, ResourcePath: c.ResourcePath, FailureThreshold: c.FailureThreshold,
	})
}
