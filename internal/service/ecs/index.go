package ecs

import (
	"strings"

	"github.com/skylift/skylift/internal/store"
)

// The values that tasks and services are found by without reading them: there
// may be many thousands. Each is a list's or a count's own.

// The lists of tasks with a desired status: all of a cluster, those of a
// service (by its key), of a family, and those that somebody started.
func listCluster(cluster, desired string) string { return "cluster/" + cluster + "/" + desired }
func listService(service, desired string) string { return "service/" + service + "/" + desired }
func listFamily(cluster, family, desired string) string {
	return "family/" + cluster + "/" + family + "/" + desired
}

func listStarter(cluster, by, desired string) string {
	return "by/" + cluster + "/" + by + "/" + desired
}

// OfService returns the tasks of a service, by its key, with a desired status.
func OfService(tx store.Tx, service, desired string) ([]Task, error) {
	return Tasks.By(tx, "list", listService(service, desired))
}

// lists are the lists that the task is on.
func (t Task) lists() []string {
	lists := []string{listCluster(t.Cluster, t.Desired), listFamily(t.Cluster, t.family(), t.Desired)}
	if t.Service != "" {
		lists = append(lists, listService(t.Service, t.Desired))
	}
	if t.StartedBy != "" {
		lists = append(lists, listStarter(t.Cluster, t.StartedBy, t.Desired))
	}
	return lists
}

// family is that of the task's definition.
func (t Task) family() string {
	family, _, _ := parseDefinition(t.TaskDefinition)
	return family
}

// What a task that hasn't stopped counts as, in its cluster.
const (
	tallyRunning = "running"
	tallyPending = "pending"
	tallyLeaving = "leaving" // it runs no more, and isn't STOPPED yet
)

func tallyState(cluster, state string) string       { return cluster + "/" + state }
func tallyProvider(cluster, provider string) string { return cluster + "/provider/" + provider }

// tallies are the counts that the task is in.
func (t Task) tallies() []string {
	if t.Status == Stopped {
		return nil
	}
	state := tallyLeaving
	if running, pending := t.counts(); running > 0 {
		state = tallyRunning
	} else if pending > 0 {
		state = tallyPending
	}
	out := []string{tallyState(t.Cluster, state)}
	if t.Provider != "" {
		out = append(out, tallyProvider(t.Cluster, t.Provider))
	}
	return out
}

// tallies are the counts that the service is in.
func (s Service) tallies() []string {
	if s.Status == Inactive {
		return nil
	}
	return []string{tallyState(s.Cluster, s.Status)}
}

// tallies are the counts that the deployment is in: of what its capacity
// providers are used for.
func (d Deployment) tallies() (out []string) {
	cluster, _, _ := strings.Cut(d.Service, "/")
	for _, i := range d.Strategy {
		out = append(out, tallyProvider(cluster, i.Provider))
	}
	return out
}
