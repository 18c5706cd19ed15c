// Package status makes the picture that `skylift status` shows from the
// records: what runs, what is healthy, and what is wrong.
package status

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Report is the picture.
type Report struct {
	Account       string         `json:"account"`
	Engine        string         `json:"engine"`        // what tasks run on
	DNS           []string       `json:"dns,omitempty"` // where the name server answers
	Region        string         `json:"region"`
	Capacity      Capacity       `json:"capacity"`
	Clusters      []Cluster      `json:"clusters"`
	LoadBalancers []LoadBalancer `json:"loadBalancers"`
	TargetGroups  []TargetGroup  `json:"targetGroups"`
	Problems      []string       `json:"problems"`
	NoEffect      []NoEffect     `json:"noEffect"`
}

// Capacity is what the machine has for tasks.
type Capacity struct {
	Total    Size      `json:"total"`
	Reserved Size      `json:"reserved"` // by tasks
	Waiting  []Waiting `json:"waiting"`  // services that lack capacity, the longest waiting first
}

// Size is an amount of memory in MiB, and of CPUs.
type Size struct {
	Memory int     `json:"memory"`
	VCPU   float64 `json:"vcpu"`
}

// Waiting is a service that waits for capacity for tasks of a size.
type Waiting struct {
	Service string    `json:"service"` // cluster/name
	Tasks   int       `json:"tasks"`
	Each    Size      `json:"each"`
	Since   time.Time `json:"since,omitzero"` // zero: what is under way may still free capacity
}

// Cluster is a cluster with its active services.
type Cluster struct {
	Name     string    `json:"name"`
	Services []Service `json:"services"`
	Tasks    int       `json:"tasks"` // that run, with or without a service
}

// Service is a service at a glance.
type Service struct {
	Name           string `json:"name"`
	Status         string `json:"status"`
	Desired        int    `json:"desired"`
	Running        int    `json:"running"`
	Pending        int    `json:"pending"`
	TaskDefinition string `json:"taskDefinition"` // family:revision
	Rollout        string `json:"rollout"`
	LastEvent      string `json:"lastEvent,omitempty"`
	LastFailure    string `json:"lastFailure,omitempty"` // why the last failed task of its deployment stopped, in the last ten minutes
	// Outdated are secrets and parameters that tasks run with an older version of than there is now.
	Outdated []Outdated `json:"outdated,omitempty"`
}

// Outdated is a secret or parameter that has a newer version than tasks run with.
type Outdated struct {
	From  string `json:"from"` // as the task definition names it
	Tasks int    `json:"tasks"`
}

// LoadBalancer is a balancer and where it answers.
type LoadBalancer struct {
	Name      string   `json:"name"`
	DNSName   string   `json:"dnsName"`
	URLs      []string `json:"urls"`
	HostNames []string `json:"hostNames"` // of its rules
}

// TargetGroup is a target group and the state of its targets.
type TargetGroup struct {
	Name    string   `json:"name"`
	Healthy int      `json:"healthy"`
	Total   int      `json:"total"`
	Targets []Target `json:"targets"`
}

// Target is a target and what its checks say.
type Target struct {
	Address     string `json:"address"`
	State       string `json:"state"`
	Reason      string `json:"reason,omitempty"`
	Description string `json:"description,omitempty"`
}

// Input is what the picture is made from.
type Input struct {
	Account, Region string
	Engine          string     // what tasks run on, for people
	DNS             []string   // where the name server answers
	Address         netip.Addr // where balancers listen
	Total, Reserved place.Size // of the machine
	Waiting         []place.Waiting
	Problems        []string
	Now             time.Time
	// Version returns the version of what a valueFrom of a task definition names now; "" when there is none.
	Version func(tx store.Tx, valueFrom string) (string, error)
	Scans   bool // there is something that images can be scanned for

	versions    map[string]string // by valueFrom
	clusters    []ecs.Cluster
	services    []ecs.Service
	deployments map[string]ecs.Deployment // the primary one of each service
	tasks       []ecs.Task
	events      map[string]ecs.Event // the last of each service
	balancers   []elbv2.LoadBalancer
	listeners   []elbv2.Listener
	rules       []elbv2.Rule
	groups      []elbv2.TargetGroup
	targets     []elbv2.Target
	health      map[string]elbv2.TargetHealth
	wishes      []wire.Wish
}

// Read fills in the records.
func (in *Input) Read(tx store.Tx) error {
	var events []ecs.Event
	var healths []elbv2.TargetHealth
	for _, err := range []error{
		list(tx, ecs.Clusters, &in.clusters), list(tx, ecs.Services, &in.services),
		list(tx, ecs.Tasks, &in.tasks), list(tx, ecs.Events, &events),
		list(tx, elbv2.LoadBalancers, &in.balancers),
		list(tx, elbv2.Listeners, &in.listeners), list(tx, elbv2.Rules, &in.rules),
		list(tx, elbv2.TargetGroups, &in.groups), list(tx, elbv2.Targets, &in.targets), list(tx, elbv2.Healths, &healths),
	} {
		if err != nil {
			return err
		}
	}
	in.deployments = map[string]ecs.Deployment{}
	for _, s := range in.services {
		primary, err := s.Primary(tx)
		if err != nil {
			return err
		}
		in.deployments[s.Key()] = primary
	}
	in.events, in.health = map[string]ecs.Event{}, map[string]elbv2.TargetHealth{}
	for _, e := range events {
		in.events[e.Service] = e // events are in the order of time
	}
	for _, h := range healths {
		in.health[elbv2.TargetKey(h.Group, h.Addr, h.Port)] = h
	}
	wishes, err := readWishes(tx, in.Scans)
	in.wishes = wishes
	return errors.Join(err, in.readVersions(tx))
}

// readVersions reads which version there is now of all that tasks were started with.
func (in *Input) readVersions(tx store.Tx) error {
	in.versions = map[string]string{}
	for _, t := range in.tasks {
		for from := range t.Versions {
			if _, had := in.versions[from]; had {
				continue
			}
			v, err := in.Version(tx, from)
			if err != nil {
				return err
			}
			in.versions[from] = v
		}
	}
	return nil
}

func list[T any](tx store.Tx, t *store.Table[T], into *[]T) (err error) {
	*into, err = t.List(tx, "")
	return err
}

// Build makes the picture.
func Build(in Input) Report {
	r := Report{
		Account: in.Account, Region: in.Region, Engine: in.Engine, DNS: in.DNS, Capacity: in.capacity(), Problems: append([]string{}, in.Problems...),
		Clusters: []Cluster{}, LoadBalancers: []LoadBalancer{}, TargetGroups: []TargetGroup{},
		NoEffect: noEffect(in.wishes),
	}
	r.Problems = append(r.Problems, in.crowded()...)
	for _, c := range in.clusters {
		if c.Status == ecs.Active {
			r.Clusters = append(r.Clusters, in.cluster(c.Name))
		}
	}
	for _, b := range in.balancers {
		r.LoadBalancers = append(r.LoadBalancers, in.balancer(b))
	}
	for _, g := range in.groups {
		r.TargetGroups = append(r.TargetGroups, in.group(g))
	}
	return r
}

func (in *Input) capacity() Capacity {
	c := Capacity{Total: sizeOf(in.Total), Reserved: sizeOf(in.Reserved), Waiting: []Waiting{}}
	for _, w := range in.Waiting {
		c.Waiting = append(c.Waiting, Waiting{Service: w.Key, Tasks: w.Tasks, Each: sizeOf(w.Each), Since: w.Since})
	}
	return c
}

func sizeOf(s place.Size) Size { return Size{Memory: s.Memory, VCPU: float64(s.CPU) / 1024} }

func (in *Input) cluster(name string) Cluster {
	c := Cluster{Name: name, Services: []Service{}}
	for _, t := range in.tasks {
		if t.Cluster == name && t.Status == ecs.Running {
			c.Tasks++
		}
	}
	for _, s := range in.services {
		if s.Cluster == name && s.Status != ecs.Inactive {
			c.Services = append(c.Services, in.service(s))
		}
	}
	return c
}

func (in *Input) service(s ecs.Service) Service {
	out := Service{Name: s.Name, Status: s.Status, Desired: int(s.Desired), LastEvent: in.events[s.Key()].Message}
	primary := in.deployments[s.Key()]
	out.TaskDefinition = primary.TaskDefinition[strings.LastIndex(primary.TaskDefinition, "/")+1:]
	out.Rollout = string(primary.Rollout.State)
	var last time.Time
	for _, t := range in.tasks {
		if t.Service != s.Key() {
			continue
		}
		switch {
		case t.Status == ecs.Running:
			out.Running++
		case t.Counted():
			out.Pending++
		case t.Failed() && t.Deployment == primary.ID && t.StopAt.After(last):
			last, out.LastFailure = t.StopAt, t.Ending()
		}
	}
	out.Outdated = in.outdated(s)
	if out.Desired == 0 || out.Running == out.Desired && in.Now.Sub(last) > 10*time.Minute {
		out.LastFailure = ""
	}
	return out
}

// outdated lists what the tasks of a service that run have an older version of than there is now. What is gone has no newer one.
func (in *Input) outdated(s ecs.Service) (out []Outdated) {
	count := map[string]int{}
	for _, t := range in.tasks {
		if t.Service != s.Key() || t.Status != ecs.Running || t.Desired != ecs.Running {
			continue
		}
		for from, version := range t.Versions {
			if now := in.versions[from]; now != "" && now != version {
				count[from]++
			}
		}
	}
	for _, from := range slices.Sorted(maps.Keys(count)) {
		out = append(out, Outdated{From: from, Tasks: count[from]})
	}
	return out
}

func (in *Input) balancer(b elbv2.LoadBalancer) LoadBalancer {
	out := LoadBalancer{Name: b.Name, DNSName: b.DNSName, URLs: []string{}, HostNames: []string{}}
	for _, l := range in.listeners {
		if l.LoadBalancer == b.ARN {
			out.URLs = append(out.URLs, address(b.DNSName, l))
		}
	}
	for _, r := range in.rules {
		if r.LoadBalancer != b.ARN {
			continue
		}
		for _, c := range r.Conditions {
			if c.Field == "host-header" {
				out.HostNames = append(out.HostNames, c.Values...)
			}
		}
	}
	slices.Sort(out.HostNames)
	out.HostNames = slices.Compact(out.HostNames)
	return out
}

// address is the URL of a listener.
func address(host string, l elbv2.Listener) string {
	scheme, usual := "http", int32(80)
	if l.TLS != nil {
		scheme, usual = "https", 443
	}
	if l.Port != usual {
		host = fmt.Sprintf("%s:%d", host, l.Port)
	}
	return scheme + "://" + host + "/"
}

func (in *Input) group(g elbv2.TargetGroup) TargetGroup {
	out := TargetGroup{Name: g.Name, Targets: []Target{}}
	for _, t := range in.targets {
		if t.Group != g.ARN {
			continue
		}
		h := in.health[elbv2.TargetKey(t.Group, t.Addr, t.Port)]
		out.Total++
		if h.State == "healthy" {
			out.Healthy++
		}
		out.Targets = append(out.Targets, Target{
			Address: fmt.Sprintf("%s:%d", t.Addr, t.Port), State: h.State, Reason: h.Reason, Description: h.Description,
		})
	}
	return out
}
