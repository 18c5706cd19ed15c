package ecs

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// Providers are the capacity providers that every account has. On both a task
// runs in the same way: nothing interrupts one on FARGATE_SPOT by itself.
var Providers = []string{"FARGATE", "FARGATE_SPOT"}

// Same says whether the tasks of both are made from the same.
func (s Spec) Same(o Spec) bool {
	return s.TaskDefinition == o.TaskDefinition && s.Platform == o.Platform &&
		slices.Equal(s.Strategy, o.Strategy) && slices.Equal(s.LoadBalancers, o.LoadBalancers) && slices.Equal(s.Registries, o.Registries) &&
		slices.Equal(s.Network.Subnets, o.Network.Subnets) &&
		slices.Equal(s.Network.SecurityGroups, o.Network.SecurityGroups) &&
		s.Network.AssignPublicIP == o.Network.AssignPublicIP
}

// Size is what the task holds of the machine.
func (t *Task) Size() place.Size {
	cpu, _ := strconv.Atoi(t.CPU) // both are made from numbers
	memory, _ := strconv.Atoi(t.Memory)
	return place.Size{CPU: cpu, Memory: memory}
}

// SizeOf is what a task of the definition holds of the machine.
func SizeOf(d types.TaskDefinition) place.Size {
	t := Task{CPU: aws.ToString(d.Cpu), Memory: aws.ToString(d.Memory)}
	return t.Size()
}

// TaskIDs returns n ids for new tasks.
func TaskIDs(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = id.Hex(32)
	}
	return ids
}

// Spread chooses places for tasks with these ids, beside those that are there.
func (n Network) Spread(there []place.Place, ids []string) []place.Place {
	if len(ids) == 0 {
		return nil
	}
	places := make([]place.Place, len(n.Subnets))
	for i, s := range n.Subnets {
		places[i] = place.Place{Subnet: s, Zone: n.Zones[i]}
	}
	return place.Spread(places, there, len(ids), ids[0])
}

// Except returns the network without the subnets that are full.
func (n Network) Except(full func(subnet string) bool) Network {
	subnets, zones := n.Subnets, n.Zones
	n.Subnets, n.Zones = nil, nil
	for i, s := range subnets {
		if !full(s) {
			n.Subnets, n.Zones = append(n.Subnets, s), append(n.Zones, zones[i])
		}
	}
	return n
}

// Elsewhere chooses another place for a task whose subnet has no free address;
// ok is false when it is to end with that: it was in each of its subnets, or it
// is a service's, whose deployment avoids the subnet with the next task.
func (t *Task) Elsewhere() (p place.Place, ok bool) {
	left := t.Network.Except(func(s string) bool { return s == t.Subnet || slices.Contains(t.Full, s) })
	if t.Service != "" || len(left.Subnets) == 0 {
		return place.Place{}, false
	}
	return left.Spread(nil, []string{t.ID})[0], true
}

// PlaceAt places the task there.
func (t *Task) PlaceAt(p place.Place) { t.Subnet, t.Zone = p.Subnet, p.Zone }

// Holdings tells a ledger what tasks hold of the machine: their size from when
// they are made until they are STOPPED.
func Holdings(db store.DB) place.Source {
	return func(ctx context.Context, f func(bool, []place.Holding)) error {
		return Tasks.Follow(ctx, db, func(reset bool, events []store.Event[Task]) error {
			changes := make([]place.Holding, len(events))
			for i, e := range events {
				_, changes[i].Task, _ = strings.Cut(e.Key, "/")
				if e.Value == nil || e.Value.Status == Stopped {
					changes[i].Gone = true
					continue
				}
				changes[i].Size = e.Value.Size()
			}
			f(reset, changes)
			return nil
		})
	}
}
