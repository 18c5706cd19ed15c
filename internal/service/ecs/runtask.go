package ecs

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
)

// RunTask starts count tasks, or as many of them as there is room for.
func (a *API) RunTask(ctx context.Context, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	if err := checkRun(in); err != nil {
		return nil, err
	}
	r, out, err := a.readRun(ctx, in)
	if out != nil || err != nil {
		return out, err
	}
	ids := TaskIDs(int(max(1, aws.ToInt32(in.Count))))
	err = a.inRoom(ctx, ids, r.each, func(tx store.Tx, ids []string) (made bool, err error) {
		out, made, err = r.start(tx, a, ids)
		return made, err
	})
	if err != nil {
		return nil, err
	}
	out.Failures = a.noRoom(r.each, len(ids)-len(out.Tasks))
	return out, nil
}

// run is what of a RunTask had to be looked up before its transaction.
type run struct {
	in         *ecs.RunTaskInput
	platform   string
	request    string // the digest
	net        Network
	definition string // ARN
	each       place.Size
	at         time.Time
}

// readRun looks it up; out is the answer to a call that was answered before.
func (a *API) readRun(ctx context.Context, in *ecs.RunTaskInput) (r run, out *ecs.RunTaskOutput, err error) {
	r = run{in: in, at: now()}
	if r.platform, err = platformVersion(in.PlatformVersion); err != nil {
		return r, nil, err
	}
	tokenless := *in
	tokenless.ClientToken = nil
	if r.request, err = handler.Digest(tokenless); err != nil {
		return r, nil, err
	}
	if r.net, err = a.placement(ctx, in.NetworkConfiguration); err != nil {
		return r, nil, err
	}
	err = a.db.View(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		before := &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
		if again, err := a.relaunch(tx, r.launch(c), before); err != nil {
			return err
		} else if again {
			out = before
			return nil
		}
		d, err := a.launchable(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		def, err := overridden(d.Definition, in.Overrides)
		if err != nil {
			return err
		}
		r.definition, r.each = *d.Definition.TaskDefinitionArn, SizeOf(def)
		return nil
	})
	return r, out, err
}

// launch is what is kept of it for its token.
func (r run) launch(c Cluster) Launch {
	return Launch{Cluster: c.Name, Token: aws.ToString(r.in.ClientToken), Request: r.request, CreatedAt: r.at}
}

// start makes tasks with these ids; made is false when another call with the
// same token has made them meanwhile.
func (r run) start(tx store.Tx, a *API, ids []string) (out *ecs.RunTaskOutput, made bool, err error) {
	in := r.in
	out = &ecs.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	c, err := a.activeCluster(tx, in.Cluster)
	if err != nil {
		return nil, false, err
	}
	l := r.launch(c)
	if again, err := a.relaunch(tx, l, out); again || err != nil {
		return out, false, err
	}
	d, err := a.launchable(tx, r.definition)
	if err != nil {
		return nil, false, err
	}
	def, err := overridden(d.Definition, in.Overrides)
	if err != nil {
		return nil, false, err
	}
	strategy, err := c.capacity(in.LaunchType, in.CapacityProviderStrategy)
	if err != nil {
		return nil, false, err
	}
	blocks, err := LogsBlock(tx, a.ns)
	if err != nil {
		return nil, false, err
	}
	places := r.net.Spread(nil, ids)
	for i, provider := range Spread(strategy, nil, len(ids)) {
		t := NewTask(a.ns, c.Name, ids[i], def)
		t.PlaceAt(places[i])
		t.LaunchType, t.Provider, t.Platform, t.Network = types.LaunchTypeFargate, provider, r.platform, r.net
		t.ExecuteCommand = in.EnableExecuteCommand
		t.StartedBy, t.Launch, t.LogsBlock = aws.ToString(in.StartedBy), l.Key(), blocks
		if in.Group != nil {
			t.Group = *in.Group
		}
		if in.Overrides != nil {
			t.Overrides = in.Overrides
		}
		t.Tags = taskTags(in.PropagateTags, d.Tags, nil, in.Tags, in.EnableECSManagedTags, c.Name, "")
		if len(without(t.Tags, managed)) > maxTags {
			return nil, false, tooManyTags()
		}
		if err := Tasks.Put(tx, t.Key(), t); err != nil {
			return nil, false, err
		}
		l.Tasks = append(l.Tasks, t.ID)
		out.Tasks = append(out.Tasks, t.wire(a.ns, true))
	}
	if l.Token == "" || len(l.Tasks) == 0 { // a call that started nothing may be made again
		return out, true, nil
	}
	return out, true, Launches.Put(tx, l.Key(), l)
}

func checkRun(in *ecs.RunTaskInput) error { return runFaults(in).err(invalid) }

// runFaults returns what is wrong with a RunTask as it stands there.
func runFaults(in *ecs.RunTaskInput) (f faults) {
	if in.Count != nil && (*in.Count < 1 || *in.Count > 10) {
		f.add("Count must be between 1 and 10.")
	}
	if !handler.ValidClientToken(aws.ToString(in.ClientToken), handler.MaxClientToken) {
		f.add("clientToken must have at most 64 ASCII characters in the range of 33-126.")
	}
	f.take(fargateOnly(in.LaunchType))
	f.take(unplaced(in.PlacementConstraints, in.PlacementStrategy))
	f.take(checkStart(in.StartedBy, in.Group, in.PropagateTags, in.Tags))
	return f
}

// checkStart checks what RunTask and StartTask have in common.
func checkStart(by, group *string, p types.PropagateTags, tags []types.Tag) error {
	switch s := aws.ToString(by); {
	case len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return r < 32 || r > 126 }):
		return invalid("startedBy can have up to 128 letters (uppercase and lowercase), numbers, hyphens, forward slashes, and underscores.")
	case strings.HasPrefix(aws.ToString(group), "family:"), strings.HasPrefix(aws.ToString(group), "service:"):
		return invalid("Group %s: the prefixes family: and service: are reserved.", *group)
	case p == types.PropagateTagsService:
		return invalid("PropagateTags can't be SERVICE for a task that no service runs; use TASK_DEFINITION.")
	}
	return checkTags(tags)
}

// unplaced refuses to be told on which machine tasks are to run.
func unplaced(constraints []types.PlacementConstraint, strategy []types.PlacementStrategy) error {
	if len(constraints) > 0 {
		return invalid("Placement constraints are not supported with FARGATE launch type.")
	}
	if len(strategy) > 0 {
		return invalid("Placement strategies are not supported with FARGATE launch type.")
	}
	return nil
}

// LaunchTTL is how long a client token stands for its RunTask at the most;
// it stands no longer than launchGrace beyond the last of the tasks.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/ECS_Idempotency.html
const (
	LaunchTTL   = 24 * time.Hour
	launchGrace = time.Hour
)

// over says when the token is free again. tasks are those that there still are.
func (l *Launch) over(tasks []Task) time.Time {
	last := l.StoppedAt
	for _, t := range tasks {
		if t.Status != Stopped {
			return l.CreatedAt.Add(LaunchTTL)
		}
		if t.StoppedAt.After(last) {
			last = t.StoppedAt
		}
	}
	if end := l.CreatedAt.Add(LaunchTTL); last.IsZero() || last.Add(launchGrace).After(end) {
		return end
	}
	return last.Add(launchGrace)
}

// LaunchEnded keeps of a task that goes when it stopped, for as long as the
// client token that it was started with is known.
func LaunchEnded(tx store.Tx, t Task) error {
	if t.Launch == "" {
		return nil
	}
	l, err := Launches.Get(tx, t.Launch)
	if missing(err) || err == nil && !t.StoppedAt.After(l.StoppedAt) {
		return nil
	}
	if err != nil {
		return err
	}
	l.StoppedAt = t.StoppedAt
	return Launches.Put(tx, l.Key(), l)
}

// relaunch answers a RunTask whose token stands for one that was made before
// with that one's tasks; those that aren't described any more have stopped.
func (a *API) relaunch(tx store.Tx, l Launch, out *ecs.RunTaskOutput) (again bool, err error) {
	if l.Token == "" {
		return false, nil
	}
	first, err := Launches.Get(tx, l.Key())
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var there []Task
	for _, id := range first.Tasks {
		t, err := Tasks.Get(tx, l.Cluster+"/"+id)
		switch {
		case missing(err):
			out.Tasks = append(out.Tasks, types.Task{
				TaskArn:    aws.String(a.ns.ARN("ecs", "task/"+l.Cluster+"/"+id)),
				LastStatus: aws.String(Stopped), DesiredStatus: aws.String(Stopped),
			})
		case err != nil:
			return false, err
		default:
			there = append(there, t)
			out.Tasks = append(out.Tasks, t.wire(a.ns, true))
		}
	}
	if !l.CreatedAt.Before(first.over(there)) {
		out.Tasks = []types.Task{}
		return false, nil
	}
	if first.Request == l.Request {
		return true, nil
	}
	e := &types.ConflictException{Message: aws.String("The RunTask request could not be processed due to conflicts. The provided clientToken is already in use with a different RunTask request.")}
	for _, t := range out.Tasks {
		e.ResourceIds = append(e.ResourceIds, *t.TaskArn)
	}
	return false, e
}

// StartTask starts no task: it is for container instances, and there is none.
func (a *API) StartTask(ctx context.Context, in *ecs.StartTaskInput) (*ecs.StartTaskOutput, error) {
	if n := len(in.ContainerInstances); n == 0 || n > 10 {
		return nil, invalid("containerInstances must have 1 to 10 items.")
	}
	if err := checkStart(in.StartedBy, in.Group, in.PropagateTags, in.Tags); err != nil {
		return nil, err
	}
	out := &ecs.StartTaskOutput{Tasks: []types.Task{}}
	err := a.db.View(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		d, err := a.launchable(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		if _, err := overridden(d.Definition, in.Overrides); err != nil {
			return err
		}
		out.Failures, err = a.noInstances(c.Name, in.ContainerInstances)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
