// Package why makes the answer of `skylift why`: what is wrong with a thing, or
// with everything, how that is known, and what mends it.
//
// Each kind of fault is a check, a pure function from a snapshot, in a file of its
// own; groups, health, tasks, deployments, traffic, names and machine have them.
package why

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// ErrNone says that nothing has the given name.
var ErrNone = errors.New("nothing has that id, name, ARN or address: name a task, service, load balancer, rule, target group, host name, image, secret, role, certificate, security group or address, or a request that was denied")

// Report is the details of an answer.
type Report struct {
	Service *Service `json:"service,omitempty"` // when it was asked for one
	Tasks   []Task   `json:"tasks"`             // the newest first
}

// Service is a service, and what its deployment says.
type Service struct {
	Cluster string   `json:"cluster"`
	Name    string   `json:"name"`
	Status  string   `json:"status"`
	Rollout string   `json:"rollout"`
	Reason  string   `json:"reason,omitempty"`
	Events  []string `json:"events"` // the newest first
}

// Task is a task, and why it stopped if it did.
type Task struct {
	ID             string      `json:"id"`
	Cluster        string      `json:"cluster"`
	Group          string      `json:"group"`
	TaskDefinition string      `json:"taskDefinition"` // family:revision
	Status         string      `json:"status"`
	Desired        string      `json:"desiredStatus"`
	Health         string      `json:"healthStatus,omitempty"`
	StopCode       string      `json:"stopCode,omitempty"`
	Reason         string      `json:"stoppedReason,omitempty"`
	CreatedAt      time.Time   `json:"createdAt"`
	StartedAt      *time.Time  `json:"startedAt,omitempty"`
	StoppedAt      *time.Time  `json:"stoppedAt,omitempty"`
	ProcessLimit   int         `json:"processLimitReached,omitempty"` // its limit of processes, if it reached it
	Containers     []Container `json:"containers"`
}

// Container is a container, and what is known about its end.
type Container struct {
	Name      string   `json:"name"`
	Image     string   `json:"image"`
	Essential bool     `json:"essential"`
	Status    string   `json:"status"`
	ExitCode  *int32   `json:"exitCode,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Restarts  int      `json:"restarts,omitempty"`
	OOM       bool     `json:"outOfMemory,omitempty"`
	Health    string   `json:"healthStatus,omitempty"`
	HealthLog string   `json:"healthOutput,omitempty"` // of the last check
	Lines     []string `json:"lastLines,omitempty"`
}

// How many tasks and events of a service are told of.
const (
	tasksTold  = 3
	eventsTold = 5
)

// shortest is how many characters of a task's id name the task.
const shortest = 6

// Details tells of ref: a task's id or its beginning, a service's name, or the ARN
// of a task or service. A cluster that isn't "" says where to look.
func Details(tx store.Tx, ref, cluster string) (r Report, err error) {
	if _, rest, ok := strings.Cut(ref, ":task/"); ok {
		ref = rest
	} else if _, rest, ok := strings.Cut(ref, ":service/"); ok {
		ref = rest
	}
	if c, name, ok := strings.Cut(ref, "/"); ok {
		cluster, ref = c, name
	}
	service, err := firstOf(tx, ecs.Services, func(s ecs.Service) bool {
		return s.Name == ref && (cluster == "" || s.Cluster == cluster)
	})
	if err != nil {
		return r, err
	}
	if service != nil {
		return ofService(tx, *service)
	}
	task, err := firstOf(tx, ecs.Tasks, func(t ecs.Task) bool {
		return len(ref) >= shortest && strings.HasPrefix(t.ID, ref) && (cluster == "" || t.Cluster == cluster)
	})
	if err != nil {
		return r, err
	}
	if task == nil {
		return r, ErrNone
	}
	is, err := ofTask(tx, *task)
	return Report{Tasks: []Task{is}}, err
}

// firstOf returns the first record that fits, if there is one.
func firstOf[T any](tx store.Tx, table *store.Table[T], fits func(T) bool) (*T, error) {
	for rec, err := range table.Scan(tx, "", "") {
		if err != nil {
			return nil, err
		}
		if fits(rec) {
			return &rec, nil
		}
	}
	return nil, nil
}

// ofService reports on a service and on these of its tasks: those that failed last,
// or, when none failed, the one that stopped last; and those that are unhealthy or
// have reached their limit of processes.
func ofService(tx store.Tx, s ecs.Service) (Report, error) {
	r := Report{Service: &Service{Cluster: s.Cluster, Name: s.Name, Status: s.Status, Events: []string{}}, Tasks: []Task{}}
	primary, err := s.Primary(tx)
	if err != nil {
		return r, err
	}
	r.Service.Rollout, r.Service.Reason = string(primary.Rollout.State), primary.Rollout.Reason
	events, err := ecs.Events.List(tx, s.Key()+"/")
	if err != nil {
		return r, err
	}
	for _, e := range slices.Backward(events) {
		if len(r.Service.Events) < eventsTold {
			r.Service.Events = append(r.Service.Events, e.At.UTC().Format(time.RFC3339)+" "+e.Message)
		}
	}
	var tasks []ecs.Task
	for _, desired := range []string{ecs.Stopped, ecs.Running} {
		some, err := ecs.OfService(tx, s.Key(), desired)
		if err != nil {
			return r, err
		}
		tasks = append(tasks, some...)
	}
	for _, t := range chosen(tasks) {
		is, err := ofTask(tx, t)
		if err != nil {
			return r, err
		}
		r.Tasks = append(r.Tasks, is)
	}
	return r, nil
}

// chosen returns the tasks of a service that say most about what is wrong.
func chosen(tasks []ecs.Task) []ecs.Task {
	slices.SortFunc(tasks, func(a, b ecs.Task) int { return b.CreatedAt.Compare(a.CreatedAt) })
	var out, ended []ecs.Task
	for _, t := range tasks {
		switch {
		case t.Desired == ecs.Stopped && !t.Failed():
			ended = append(ended, t)
		case t.Desired == ecs.Stopped, t.Health == types.HealthStatusUnhealthy, t.ProcessLimit > 0:
			out = append(out, t)
		}
	}
	if len(out) == 0 {
		return ended[:min(1, len(ended))]
	}
	return out[:min(tasksTold, len(out))]
}

// ofTask tells of a task.
func ofTask(tx store.Tx, t ecs.Task) (Task, error) {
	e, err := ecs.Evidences.Get(tx, t.Key())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Task{}, fmt.Errorf("read the evidence of task %s: %w", t.ID, err)
	}
	out := Task{
		ID: t.ID, Cluster: t.Cluster, Group: t.Group, TaskDefinition: t.TaskDefinition[strings.LastIndex(t.TaskDefinition, "/")+1:],
		Status: t.Status, Desired: t.Desired, Health: string(t.Health), StopCode: string(t.StopCode), Reason: t.Reason,
		CreatedAt: t.CreatedAt, StartedAt: moment(t.StartedAt), StoppedAt: moment(t.StoppedAt), ProcessLimit: t.ProcessLimit, Containers: []Container{},
	}
	for _, c := range t.Containers {
		is := Container{
			Name: c.Name, Image: c.Image, Essential: c.Essential, Status: c.Status, ExitCode: c.ExitCode, Reason: c.Reason,
			Restarts: c.Restarts, Health: string(c.Health),
		}
		if i := slices.IndexFunc(e.Containers, func(l ecs.Remains) bool { return l.Name == c.Name }); i >= 0 {
			is.Lines, is.HealthLog, is.OOM = e.Containers[i].Lines, e.Containers[i].HealthLog, e.Containers[i].OOM
		}
		out.Containers = append(out.Containers, is)
	}
	return out, nil
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
