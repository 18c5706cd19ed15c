// Package record has the records of Route 53: hosted zones, resource record sets, changes and health checks, with their names
// and errors.
package record

import (
	"strings"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// Family is what the names of all tables begin with: they are followed together, because one commit changes several.
const Family = "route53-"

// The tables. The key of a zone, a change and a health check is its id, and that of a set its SetKey.
var (
	Zones = store.NewTable("route53-zone",
		store.Index[Zone]{Name: ByName, Values: func(z Zone) []string { return []string{z.Name} }},
		store.Index[Zone]{Name: ByReference, Values: func(z Zone) []string { return []string{digestOf(z.Reference)} }},
		store.Index[Zone]{Name: ByVPC, Values: func(z Zone) []string {
			var all []string
			for _, v := range z.VPCs {
				all = append(all, v.ID)
			}
			return all
		}},
	)
	Sets    = store.NewTable[Set]("route53-set")
	Changes = store.NewTable[Change]("route53-change")
	Checks  = store.NewTable("route53-check",
		store.Index[Check]{Name: ByReference, Values: func(c Check) []string { return []string{digestOf(c.Reference)} }},
	)
	// Healths are what checks found out, by their ids.
	Healths = store.NewTable[Health]("route53-health")
)

// The indexes of zones and checks.
const (
	ByName      = "name"
	ByReference = "reference"
	ByVPC       = "vpc"
)

// digestOf makes a caller reference, which may hold anything, a value of an index.
func digestOf(reference string) string { return strings.ReplaceAll(reference, "\x00", "\x01") }

// ReferenceKey is what a caller reference is found by.
func ReferenceKey(reference string) string { return digestOf(reference) }

// Zone is a hosted zone. Handlers write it.
type Zone struct {
	ID          string
	Name        string // escaped, with a dot at its end
	Reference   string
	Comment     *string `json:",omitempty"`
	Private     bool
	VPCs        []VPC `json:",omitempty"` // of a private zone; there is always one
	NameServers []string
	Created     time.Time
	Count       int64        // of its sets
	Serial      uint32       // counts its changes
	Owner       *Owner       `json:",omitempty"` // the service that alone changes the zone
	Tags        handler.Tags // empty, not nil, when it had some
}

// VPC is a network that asks a private zone.
type VPC struct{ Region, ID string }

// Owner is another service that made a zone or a health check.
type Owner struct{ Principal, Description string }

// Set is a resource record set. Handlers write it.
type Set struct {
	Zone   string
	Name   string // escaped, with a dot at its end
	Type   string
	ID     string   `json:",omitempty"` // set identifier
	TTL    int64    `json:",omitempty"`
	Values []string `json:",omitempty"`
	Alias  *Alias   `json:",omitempty"` // in place of TTL and values

	Weight   *int64 `json:",omitempty"`
	Region   string `json:",omitempty"`
	Failover string `json:",omitempty"`
	Geo      *Geo   `json:",omitempty"`
	Multi    bool   `json:",omitempty"`
	Check    string `json:",omitempty"` // health check
}

// Alias says whose records are the set's.
type Alias struct {
	Zone, Name string
	Evaluate   bool `json:",omitempty"`
}

// Geo is where somebody must be.
type Geo struct{ Continent, Country, Subdivision string }

// Key is the key of the set.
func (s *Set) Key() string { return SetKey(s.Zone, s.Name, s.Type, s.ID) }

// SetKey is the key of a set: sets stand in AWS's order, which is that of names with their labels turned round, of types and of
// identifiers. Without an identifier, and without a type, it is what the keys of several begin with.
func SetKey(zone, name, kind, id string) string {
	key := zone + "/" + Turned(name) + " "
	if kind != "" {
		key += kind + " " + id
	}
	return key
}

// SplitKey returns the zone, name, type and identifier of the set with that key.
func SplitKey(key string) (s Set, ok bool) {
	zone, rest, ok := strings.Cut(key, "/")
	name, rest, more := strings.Cut(rest, " ")
	kind, id, most := strings.Cut(rest, " ")
	return Set{Zone: zone, Name: Turned(name), Type: kind, ID: id}, ok && more && most
}

// Change is a request that changed what is served.
type Change struct {
	ID        string
	Zone      string
	Comment   *string `json:",omitempty"`
	Submitted time.Time
}

// ChangeLife is how long a change can be asked about.
const ChangeLife = 24 * time.Hour

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{Zones, Sets, Changes, Checks, Healths} }
