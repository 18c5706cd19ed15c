package ecs

import (
	"strings"

	"github.com/skylift/skylift/internal/store"
)

// ProviderInUse says whether a service's deployment or a task that hasn't stopped is on the
// capacity provider.
func ProviderInUse(tx store.Tx, cluster, provider string) bool {
	users := tallyProvider(cluster, provider)
	for range Deployments.Keys(tx, "tally", users, "") {
		return true
	}
	for range Tasks.Keys(tx, "tally", users, "") {
		return true
	}
	return false
}

// ClusterCounts is what a cluster has: services by their status, tasks by what
// they count as.
type ClusterCounts struct{ Services, Draining, Running, Pending, Leaving int32 }

// CountCluster counts what a cluster has.
func CountCluster(tx store.Tx, cluster string) (n ClusterCounts) {
	for state, n := range map[string]*int32{Active: &n.Services, Draining: &n.Draining} {
		for range Services.Keys(tx, "tally", tallyState(cluster, state), "") {
			*n++
		}
	}
	for state, n := range map[string]*int32{tallyRunning: &n.Running, tallyPending: &n.Pending, tallyLeaving: &n.Leaving} {
		for range Tasks.Keys(tx, "tally", tallyState(cluster, state), "") {
			*n++
		}
	}
	return n
}

// The values that tasks and services are found by without reading them: there
// may be many thousands. Each is a list's or a count's own.

// ListOfCluster is the list of the tasks of a cluster with a desired status.
func ListOfCluster(cluster, desired string) string { return "cluster/" + cluster + "/" + desired }

// ListOfService is the list of the tasks of a service, by its key, with a desired status.
func ListOfService(service, desired string) string { return "service/" + service + "/" + desired }

// ListOfFamily is the list of the tasks of a task definition family in a cluster with a desired status.
func ListOfFamily(cluster, family, desired string) string {
	return "family/" + cluster + "/" + family + "/" + desired
}

// ListOfStarter is the list of the tasks in a cluster that somebody started, with a desired status.
func ListOfStarter(cluster, by, desired string) string {
	return "by/" + cluster + "/" + by + "/" + desired
}

// OfService returns the tasks of a service, by its key, with a desired status.
func OfService(tx store.Tx, service, desired string) ([]Task, error) {
	return Tasks.By(tx, "list", ListOfService(service, desired))
}

// lists are the lists that the task is on.
func (t Task) lists() []string {
	lists := []string{ListOfCluster(t.Cluster, t.Desired), ListOfFamily(t.Cluster, t.Family(), t.Desired)}
	if t.Service != "" {
		lists = append(lists, ListOfService(t.Service, t.Desired))
	}
	if t.StartedBy != "" {
		lists = append(lists, ListOfStarter(t.Cluster, t.StartedBy, t.Desired))
	}
	return lists
}

// Family is that of the task's definition.
func (t Task) Family() string {
	family, _, _ := ParseDefinition(t.TaskDefinition)
	return family
}

// What a task that hasn't stopped counts as, in its cluster.
const (
	tallyRunning = "running"
	tallyPending = "pending"
	tallyLeaving = "leaving" // it runs no more, and isn't STOPPED yet
)

func tallyState(cluster, state string) string { return cluster + "/" + state }

func tallyProvider(cluster, provider string) string { return cluster + "/provider/" + provider }

// tallies are the counts that the task is in.
func (t Task) tallies() []string {
	if t.Status == Stopped {
		return nil
	}
	state := tallyLeaving
	if running, pending := t.Counts(); running > 0 {
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
