package containerd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/netns"
	"github.com/skylift/skylift/internal/engine/containerd/record"
	"github.com/skylift/skylift/internal/engine/parallel"
)

// killedExitCode is that of a process ended by SIGKILL.
const killedExitCode = 137

// Inspect returns what is true of a task.
func (e *Engine) Inspect(ctx context.Context, taskID string) (engine.Status, error) {
	ctx = e.in(ctx)
	if !taskForm.MatchString(taskID) || !e.records.Has(taskID) {
		return engine.Status{}, fmt.Errorf("inspect task %s: %w", taskID, engine.ErrNotFound)
	}
	// Records are read before the processes: a container that was started has had a
	// process since before.
	all, err := e.records.All(taskID)
	if err != nil {
		return engine.Status{}, err
	}
	ids := keys(all)
	box, made := e.records.Sandbox(taskID)
	if box.PIDMode != "" {
		ids = append(ids, taskID)
	}
	found := make([]*tasktypes.Process, len(ids))
	err = parallel.Do(len(ids), func(i int) (err error) {
		found[i], err = e.processOf(ctx, ids[i])
		return err
	})
	if err != nil {
		return engine.Status{}, translate("inspect task "+taskID, err)
	}
	processes := make(map[string]*tasktypes.Process, len(ids))
	for i, id := range ids {
		processes[id] = found[i]
	}
	return e.status(taskID, all, processes, box, made)
}

// keys returns the ids of containers, sorted.
func keys(all map[string]record.Container) []string {
	ids := make([]string, 0, len(all)+1)
	for id := range all {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// List returns what is true of every task of this instance, by id.
func (e *Engine) List(ctx context.Context) ([]engine.Status, error) {
	ids, err := e.records.Tasks()
	if err != nil {
		return nil, err
	}
	records := make([]map[string]record.Container, len(ids))
	for i, id := range ids {
		if records[i], err = e.records.All(id); err != nil {
			return nil, err
		}
	}
	answer, err := e.client.TaskService().List(e.in(ctx), &tasks.ListTasksRequest{})
	if err != nil {
		return nil, translate("list tasks", native(err))
	}
	processes := make(map[string]*tasktypes.Process, len(answer.Tasks))
	for _, p := range answer.Tasks {
		processes[cmp.Or(p.ContainerID, p.ID)] = p
	}
	list := make([]engine.Status, 0, len(ids))
	for i, id := range ids {
		box, made := e.records.Sandbox(id)
		s, err := e.status(id, records[i], processes, box, made)
		if errors.Is(err, engine.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// status puts a task's status together from its records, which were read before,
// and its processes.
func (e *Engine) status(task string, records map[string]record.Container, processes map[string]*tasktypes.Process, box record.Sandbox, made bool) (engine.Status, error) {
	s := engine.Status{ID: task}
	if s.Sandbox = made && netns.Is(e.netnsPath(task)) && (box.PIDMode == "" || running(processes[task])); s.Sandbox {
		s.NetNS = e.netnsPath(task)
	}
	for _, id := range keys(records) {
		r, err := e.settle(task, id, records[id], processes[id])
		if errors.Is(err, fs.ErrNotExist) {
			continue // the task is being removed
		}
		if err != nil {
			return s, err
		}
		s.Containers = append(s.Containers, statusOf(id, r, processes[id]))
	}
	slices.SortFunc(s.Containers, func(a, b engine.ContainerStatus) int { return cmp.Compare(a.Name, b.Name) })
	return s, nil
}

// observe returns what is true of one container.
func (e *Engine) observe(ctx context.Context, task, id string) (record.Container, *tasktypes.Process, error) {
	r, err := e.records.Get(task, id)
	if err != nil {
		return r, nil, err
	}
	p, err := e.processOf(ctx, id)
	if err != nil {
		return r, nil, err
	}
	r, err = e.settle(task, id, r, p)
	return r, p, err
}

// settle updates a container's record, which was read before its process: it
// remembers, once, how the container ended. If the record has a run and there is
// no process, the run has ended unseen: its shim was killed, or the machine went
// down.
func (e *Engine) settle(task, id string, r record.Container, p *tasktypes.Process) (record.Container, error) {
	switch {
	case running(p) && r.Started.IsZero(), running(p) && r.Exit != nil:
		return e.records.Get(task, id) // it was started since
	case r.Exit != nil || r.Started.IsZero() || running(p) || p.GetStatus() == tasktypes.Status_CREATED:
		return r, nil
	}
	exit := record.Exit{Code: killedExitCode, At: time.Now().UTC()}
	if p != nil {
		exit = record.Exit{Code: int(p.ExitStatus), At: p.ExitedAt.AsTime()}
		exit.OOM = exit.Code == killedExitCode && e.cgroups.OOMKills(task, id) > 0
	}
	changed, err := e.records.Update(task, id, func(now *record.Container) bool {
		if now.Exit != nil || !now.Started.Equal(r.Started) {
			return false
		}
		now.Exit, now.Health.Status = &exit, ""
		if p == nil {
			now.Error = "its runtime was killed, and the container with it"
		}
		return true
	})
	if errors.Is(err, unix.ENOSPC) { // it is found out again each time, until there is room
		r.Exit, r.Health.Status = &exit, ""
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if changed {
		e.watchers.tell(task)
	}
	return e.records.Get(task, id)
}

// statusOf puts a container's record and process into the port's words.
func statusOf(id string, r record.Container, p *tasktypes.Process) engine.ContainerStatus {
	s := engine.ContainerStatus{
		Name: r.Name, RuntimeID: id, State: engine.Running, Error: r.Error,
		CreatedAt: r.Created, StartedAt: r.Started, Restarts: r.Restarts, HealthLog: r.Health.Log,
	}
	switch {
	case r.Exit != nil:
		s.State, s.ExitCode, s.OOMKilled, s.FinishedAt = engine.Exited, r.Exit.Code, r.Exit.OOM, r.Exit.At
		if s.FinishedAt.Before(s.StartedAt) {
			s.FinishedAt = s.StartedAt
		}
	case r.Started.IsZero() || r.Restarts == 0 && p.GetStatus() == tasktypes.Status_CREATED:
		s.State, s.StartedAt = engine.Created, time.Time{}
	default:
		s.Health = r.Health.Status
		if s.Health == "" && r.Check != nil {
			s.Health = engine.HealthStarting
		}
	}
	return s
}
