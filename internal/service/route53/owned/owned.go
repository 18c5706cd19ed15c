// Package owned makes hosted zones, record sets and health checks for other services, in their transactions. Only the service
// that owns such a zone changes it; people are refused.
package owned

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/route53/health"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/service/route53/scope"
	"github.com/skylift/skylift/internal/service/route53/zones"
	"github.com/skylift/skylift/internal/store"
)

// API does what other services ask of Route 53.
type API struct{ *scope.Scope }

// Zone is a hosted zone that is to be.
type Zone struct {
	Name, Comment string
	VPC           string // of a private zone; "" is a public one
	TTL           int64  // of its SOA record, in seconds: how long it may be kept that a name isn't there
	Owner         record.Owner
}

// Create makes a zone, and returns its id.
func (a API) Create(tx store.Tx, want Zone) (string, error) {
	name, err := record.Name(want.Name)
	if err != nil {
		return "", &types.InvalidDomainName{Message: new(fmt.Sprintf("'%s' is not a valid domain name: %s", want.Name, err))}
	}
	z := record.Zone{
		ID: scope.NewID("Z"), Name: name, Reference: id.UUID(), Private: want.VPC != "", Created: time.Now().UTC(), Count: 2, Owner: &want.Owner,
		NameServers: a.Servers(want.VPC != ""),
	}
	if z.Private {
		z.VPCs = []record.VPC{{Region: a.NS.Region, ID: want.VPC}}
	}
	comment(&z, want.Comment)
	if err := zones.Room(tx, z); err != nil {
		return "", err
	}
	if err := zones.Put(tx, z, scope.NewChange(z.ID, nil)); err != nil {
		return "", err
	}
	return z.ID, setTTL(tx, &z, want.TTL)
}

// Update changes the comment of a zone, and the TTL of its SOA record.
func (a API) Update(tx store.Tx, id string, want Zone) error {
	z, err := scope.Zone(tx, &id)
	if err != nil {
		return err
	}
	comment(&z, want.Comment)
	return errors.Join(setTTL(tx, &z, want.TTL), scope.Commit(tx, z, scope.NewChange(id, nil)))
}

func comment(z *record.Zone, text string) {
	if z.Comment = nil; text != "" {
		z.Comment = &text
	}
}

// setTTL changes the TTL of a zone's SOA record.
func setTTL(tx store.Tx, z *record.Zone, ttl int64) error {
	key := record.SetKey(z.ID, z.Name, "SOA", "")
	soa, err := record.Sets.Get(tx, key)
	if err != nil {
		return err
	}
	soa.TTL = ttl
	return record.Sets.Put(tx, key, soa)
}

// Delete removes a zone that has no records but those that each zone has.
func (a API) Delete(tx store.Tx, id string) error {
	z, err := scope.Zone(tx, &id)
	if err != nil {
		return err
	}
	return zones.Delete(tx, z, scope.NewChange(id, nil))
}

// Replace has a zone hold the sets of is in place of those of was: they differ in what is written only. Names in them are spoken
// ones, and zones are filled in.
func (a API) Replace(tx store.Tx, zone string, was, is []record.Set) error {
	z, err := scope.Zone(tx, &zone)
	if err != nil {
		return err
	}
	before, err := byKey(zone, was)
	if err != nil {
		return err
	}
	after, err := byKey(zone, is)
	if err != nil {
		return err
	}
	for key := range before {
		if _, stays := after[key]; !stays {
			z.Count--
			if err := record.Sets.Delete(tx, key); err != nil {
				return err
			}
		}
	}
	for key, s := range after {
		if _, had := before[key]; !had {
			z.Count++
		}
		if err := record.Sets.Put(tx, key, s); err != nil {
			return err
		}
	}
	return scope.Commit(tx, z, scope.NewChange(zone, nil))
}

// byKey are sets by their keys, with their names as they are kept.
func byKey(zone string, sets []record.Set) (map[string]record.Set, error) {
	all := make(map[string]record.Set, len(sets))
	for _, s := range sets {
		name, err := record.Name(s.Name)
		if err != nil {
			return nil, &types.InvalidDomainName{Message: new(fmt.Sprintf("'%s' is not a valid domain name: %s", s.Name, err))}
		}
		s.Zone, s.Name = zone, name
		all[s.Key()] = s
	}
	return all, nil
}

// Told says whether this process answers as it is written in a zone.
func (a API) Told(tx store.Tx, id string) (bool, error) {
	z, err := scope.Zone(tx, &id)
	return err == nil && a.Names.Serial(id) >= z.Serial, err
}

// Watch makes a health check, and returns its id.
func (a API) Watch(tx store.Tx, c types.HealthCheckConfig) (string, error) {
	check := record.Check{ID: id.UUID(), Reference: id.UUID(), Version: 1, Config: health.WithDefaults(c)}
	return check.ID, record.Checks.Put(tx, check.ID, check)
}

// Unwatch removes a health check.
func (a API) Unwatch(tx store.Tx, check string) error { return record.Checks.Delete(tx, check) }

// Well are those health checks that count as well.
func (a API) Well(tx store.Tx) (map[string]bool, error) {
	checks, healths := map[string]*record.Check{}, map[string]*record.Health{}
	for c, err := range record.Checks.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		checks[c.ID] = c
	}
	for h, err := range record.Healths.Peek(tx, "") {
		if err != nil {
			return nil, err
		}
		healths[h.Check] = h
	}
	return record.Well(checks, healths), nil
}
