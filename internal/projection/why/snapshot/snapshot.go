// Package snapshot is what `skylift why` decides from: the records as they are
// at one moment, and what was seen of tasks and targets beside them.
//
// A snapshot never changes once it is filled, so that checks are pure functions.
package snapshot

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/vpc"
	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/sockets"
)

// Snapshot is all that checks look at.
type Snapshot struct {
	Now     time.Time
	Account string
	Region  string
	Rules   *vpc.Ruleset     // what the kernel was told
	Machine []string         // what is wrong with the machine, in words
	Total   place.Size       // of the machine, for tasks
	Used    place.Size       // of that, by tasks
	DNS     []string         // where the name server answers; none: it is off
	Bound   map[string]error // socket addresses that a balancer can't listen on, and why

	Groups      map[string]ec2.SecurityGroup // by id
	Services    []ecs.Service
	Primaries   map[string]ecs.Deployment          // by service
	Revisions   map[string]ecs.ServiceRevision     // by key
	Deployments map[string][]ecs.ServiceDeployment // by service, the oldest first
	Events      map[string][]ecs.Event             // by service, the oldest first
	Tasks       []ecs.Task
	Evidence    map[string]ecs.Evidence         // by task
	Definitions map[string]types.TaskDefinition // by ARN

	Balancers    []elbv2.LoadBalancer
	Interfaces   []elbv2.Interface
	Listeners    []elbv2.Listener
	Rule         []elbv2.Rule
	TargetGroups []elbv2.TargetGroup
	Targets      []elbv2.Target
	Health       map[string]elbv2.TargetHealth // by elbv2.TargetKey
	Certificates []acm.Certificate

	Counts    meter.Counts // what balancers have counted since the process began
	Recent    meter.Counts // in the last RecentFor
	RecentFor time.Duration

	Zones []record.Zone
	Sets  []record.Set

	Sockets map[string][]sockets.Socket // of running tasks that were looked at, by their keys
	Probes  map[string]Probe            // of unhealthy targets that were asked anew, by elbv2.TargetKey
	Unknown []string                    // what could not be looked at, and why

	once  sync.Once // for index
	index *firewall.Index
}

// Check tells whether the kernel lets the first packet of a flow through, and if not, what stops it.
func (s *Snapshot) Check(f vpc.Flow) vpc.Verdict {
	s.once.Do(func() { s.index = s.Rules.Index() })
	return s.index.Check(f)
}

// Probe is what a target did when it was asked again, as its health check asks.
type Probe struct {
	Seen elbv2.Seen
	// Hosts is what it answered when the Host header was that of a rule that leads to it.
	Hosts map[string]elbv2.Seen
}

// Read fills in the records.
func (s *Snapshot) Read(tx store.Tx) error {
	for _, read := range []func(store.Tx) error{s.readServices, s.readTasks, s.readBalancers, s.readNames} {
		if err := read(tx); err != nil {
			return err
		}
	}
	groups, err := ec2.SecurityGroups.List(tx, "")
	s.Groups = map[string]ec2.SecurityGroup{}
	for _, g := range groups {
		s.Groups[g.ID] = g
	}
	return err
}

func (s *Snapshot) readServices(tx store.Tx) error {
	var events []ecs.Event
	var deployments []ecs.ServiceDeployment
	var revisions []ecs.ServiceRevision
	for _, err := range []error{
		list(tx, ecs.Services, &s.Services), list(tx, ecs.Events, &events),
		list(tx, ecs.ServiceDeployments, &deployments), list(tx, ecs.ServiceRevisions, &revisions),
	} {
		if err != nil {
			return err
		}
	}
	s.Primaries, s.Events = map[string]ecs.Deployment{}, map[string][]ecs.Event{}
	s.Deployments, s.Revisions = map[string][]ecs.ServiceDeployment{}, map[string]ecs.ServiceRevision{}
	for _, svc := range s.Services {
		primary, err := svc.Primary(tx)
		if err != nil {
			return err
		}
		s.Primaries[svc.Key()] = primary
	}
	for _, e := range events { // their keys are in the order of time
		s.Events[e.Service] = append(s.Events[e.Service], e)
	}
	for _, d := range deployments {
		s.Deployments[d.Service] = append(s.Deployments[d.Service], d)
	}
	for _, all := range s.Deployments {
		slices.SortFunc(all, func(a, b ecs.ServiceDeployment) int { return a.CreatedAt.Compare(b.CreatedAt) })
	}
	for _, r := range revisions {
		s.Revisions[r.Key()] = r
	}
	return nil
}

func (s *Snapshot) readTasks(tx store.Tx) error {
	if err := list(tx, ecs.Tasks, &s.Tasks); err != nil {
		return err
	}
	s.Evidence, s.Definitions = map[string]ecs.Evidence{}, map[string]types.TaskDefinition{}
	for _, t := range s.Tasks {
		if t.Desired != ecs.Stopped {
			continue // there is none yet
		}
		e, err := ecs.Evidences.Get(tx, t.Key())
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s.Evidence[t.Key()] = e
	}
	definitions, err := ecs.Definitions.List(tx, "")
	for _, d := range definitions {
		s.Definitions[*d.Definition.TaskDefinitionArn] = d.Definition
	}
	return err
}

func (s *Snapshot) readBalancers(tx store.Tx) error {
	var healths []elbv2.TargetHealth
	for _, err := range []error{
		list(tx, elbv2.LoadBalancers, &s.Balancers), list(tx, elbv2.Interfaces, &s.Interfaces),
		list(tx, elbv2.Listeners, &s.Listeners), list(tx, elbv2.Rules, &s.Rule),
		list(tx, elbv2.TargetGroups, &s.TargetGroups), list(tx, elbv2.Targets, &s.Targets),
		list(tx, elbv2.Healths, &healths), list(tx, acm.Certificates, &s.Certificates),
	} {
		if err != nil {
			return err
		}
	}
	s.Health = map[string]elbv2.TargetHealth{}
	for _, h := range healths {
		s.Health[elbv2.TargetKey(h.Group, h.Addr, h.Port)] = h
	}
	return nil
}

func (s *Snapshot) readNames(tx store.Tx) error {
	if err := list(tx, record.Zones, &s.Zones); err != nil {
		return err
	}
	return list(tx, record.Sets, &s.Sets)
}

func list[T any](tx store.Tx, t *store.Table[T], into *[]T) (err error) {
	*into, err = t.List(tx, "")
	return err
}
