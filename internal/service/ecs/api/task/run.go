package task

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/ecs/setting"
	"github.com/skylift/skylift/internal/store"
)

// Capacity is what the API asks of the machine before it promises to run tasks.
type Capacity interface {
	Total() place.Size
	Used() place.Size
	// Reserve reserves capacity for as many of the tasks as fit, the first first, and
	// returns how many those are.
	Reserve(ctx context.Context, tasks []string, each place.Size) (int, error)
	// Release ends the reservations of tasks that were not made.
	Release(tasks ...string)
	// Doubt says that nobody knows whether the tasks were made.
	Doubt(tasks ...string)
}

// reserved runs f, which makes tasks, in a transaction, with the ids of those that
// the machine has capacity for. f says whether it made them.
func (a *Tasks) reserved(ctx context.Context, ids []string, each place.Size, f func(store.Tx, []string) (made bool, err error)) error {
	n, err := a.capacity.Reserve(ctx, ids, each)
	if err != nil {
		return err
	}
	made := false
	err = a.DB.Update(ctx, func(tx store.Tx) (err error) {
		made, err = f(tx, ids[:n])
		return err
	})
	switch {
	case !made:
		a.capacity.Release(ids[:n]...)
	case err != nil:
		a.capacity.Doubt(ids[:n]...)
	}
	return err
}

// unplaced is the failures of n tasks that the machine has no capacity for.
func (a *Tasks) unplaced(each place.Size, n int) []types.Failure {
	out := []types.Failure{}
	for range n {
		out = append(out, types.Failure{
			Reason: aws.String(place.Reason(a.capacity.Total(), each)),
			Detail: aws.String("The task needs " + each.String() + ". This machine has " + a.capacity.Total().String() + " for tasks, of which " + a.capacity.Used().String() + " are taken."),
		})
	}
	return out
}

// RunTask starts count tasks, or as many of them as the machine has capacity for.
func (a *Tasks) RunTask(ctx context.Context, in *sdk.RunTaskInput) (*sdk.RunTaskOutput, error) {
	if err := checkRun(in); err != nil {
		return nil, err
	}
	r, out, err := a.readRun(ctx, in)
	if out != nil || err != nil {
		return out, err
	}
	ids := ecs.TaskIDs(int(max(1, aws.ToInt32(in.Count))))
	for _, role := range r.roles {
		if err := a.assumable(ctx, role, r.cluster, ids[0]); err != nil {
			return nil, err
		}
	}
	err = a.reserved(ctx, ids, r.each, func(tx store.Tx, ids []string) (made bool, err error) {
		out, made, err = r.start(tx, a, ids)
		return made, err
	})
	if err != nil {
		return nil, err
	}
	out.Failures = a.unplaced(r.each, len(ids)-len(out.Tasks))
	return out, nil
}

// run is a RunTask with what was read before its transaction.
type run struct {
	in         *sdk.RunTaskInput
	request    string // the digest
	net        ecs.Network
	tags       handler.Tags // the request's
	definition string       // ARN
	roles      []string     // ARNs; "": none
	cluster    string       // its name
	each       place.Size
	at         time.Time
}

// readRun reads what a RunTask needs. Out is the answer to a call that was answered before.
func (a *Tasks) readRun(ctx context.Context, in *sdk.RunTaskInput) (r run, out *sdk.RunTaskOutput, err error) {
	if in, err = a.withRoles(in); err != nil {
		return r, nil, err
	}
	r = run{in: in, at: ecs.Now()}
	if _, err = scope.PlatformVersion(in.PlatformVersion); err != nil {
		return r, nil, err
	}
	if r.tags, err = scope.NewTags(in.Tags); err != nil {
		return r, nil, err
	}
	tokenless := *in
	tokenless.ClientToken = nil
	if r.request, err = handler.Digest(tokenless); err != nil {
		return r, nil, err
	}
	if r.net, err = a.Placement(ctx, in.NetworkConfiguration); err != nil {
		return r, nil, err
	}
	err = a.DB.View(ctx, func(tx store.Tx) error {
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return err
		}
		before := &sdk.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
		if again, err := a.relaunch(tx, r.launch(c), before); err != nil {
			return err
		} else if again {
			out = before
			return nil
		}
		d, err := a.LaunchableDefinition(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		def, err := definition.Override(d.Definition, in.Overrides)
		if err != nil {
			return err
		}
		r.definition, r.each = *d.Definition.TaskDefinitionArn, ecs.SizeOf(def)
		r.roles, r.cluster = []string{aws.ToString(def.TaskRoleArn), aws.ToString(def.ExecutionRoleArn)}, c.Name
		return nil
	})
	return r, out, err
}

// launch is the record of the client token.
func (r run) launch(c ecs.Cluster) ecs.Launch {
	return ecs.Launch{Cluster: c.Name, Token: aws.ToString(r.in.ClientToken), Request: r.request, CreatedAt: r.at}
}

// start makes tasks with these ids; made is false when another call with the
// same token has made them meanwhile.
func (r run) start(tx store.Tx, a *Tasks, ids []string) (out *sdk.RunTaskOutput, made bool, err error) {
	in := r.in
	out = &sdk.RunTaskOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	c, err := a.ActiveCluster(tx, in.Cluster)
	if err != nil {
		return nil, false, err
	}
	l := r.launch(c)
	if again, err := a.relaunch(tx, l, out); again || err != nil {
		return out, false, err
	}
	d, err := a.LaunchableDefinition(tx, r.definition)
	if err != nil {
		return nil, false, err
	}
	def, err := definition.Override(d.Definition, in.Overrides)
	if err != nil {
		return nil, false, err
	}
	strategy, err := scope.Capacity(&c, in.LaunchType, in.CapacityProviderStrategy)
	if err != nil {
		return nil, false, err
	}
	blocks, err := setting.LogsBlock(tx, a.NS)
	if err != nil {
		return nil, false, err
	}
	places := r.net.Spread(nil, ids)
	for i, provider := range place.Providers(strategy, nil, len(ids)) {
		t := ecs.NewTask(a.NS, c.Name, ids[i], def)
		t.PlaceAt(places[i])
		t.LaunchType, t.Provider, t.Platform, t.Network = types.LaunchTypeFargate, provider, scope.PlatformRevision, r.net
		t.ExecuteCommand = in.EnableExecuteCommand
		t.StartedBy, t.Launch, t.LogsBlock = aws.ToString(in.StartedBy), l.Key(), blocks
		if in.Group != nil {
			t.Group = *in.Group
		}
		if in.Overrides != nil {
			t.Overrides = in.Overrides
		}
		t.Tags = ecs.NewTaskTags(in.PropagateTags, d.Tags, nil, r.tags, in.EnableECSManagedTags, c.Name, "")
		if _, err := scope.TagRules().Add(t.Tags, nil); err != nil { // both together may be too many
			return nil, false, err
		}
		if err := ecs.Tasks.Put(tx, t.Key(), t); err != nil {
			return nil, false, err
		}
		l.Tasks = append(l.Tasks, t.ID)
		out.Tasks = append(out.Tasks, taskOut(&t, a.NS, true))
	}
	if l.Token == "" || len(l.Tasks) == 0 { // a call that started nothing may be made again
		return out, true, nil
	}
	return out, true, ecs.Launches.Put(tx, l.Key(), l)
}

func checkRun(in *sdk.RunTaskInput) error { return runFaults(in).Err(ecs.Invalid) }

// runFaults returns what is wrong with a RunTask as it stands there.
func runFaults(in *sdk.RunTaskInput) (f ecs.Faults) {
	if in.Count != nil && (*in.Count < 1 || *in.Count > 10) {
		f.Add("Count must be between 1 and 10.")
	}
	if !handler.ValidClientToken(aws.ToString(in.ClientToken), handler.MaxClientToken) {
		f.Add("clientToken must have at most 64 ASCII characters in the range of 33-126.")
	}
	f.Take(scope.FargateOnly(in.LaunchType))
	f.Take(scope.Unplaced(in.PlacementConstraints, in.PlacementStrategy))
	startFaults(&f, in.StartedBy, in.Group, in.PropagateTags, in.Tags)
	return f
}

// startFaults notes what is wrong with what RunTask and StartTask have in common.
func startFaults(f *ecs.Faults, by, group *string, p types.PropagateTags, tags []types.Tag) {
	if s := aws.ToString(by); len(s) > 128 || strings.ContainsFunc(s, func(r rune) bool { return r < 32 || r > 126 }) {
		f.Add("startedBy can have up to 128 letters (uppercase and lowercase), numbers, hyphens, forward slashes, and underscores.")
	}
	if g := aws.ToString(group); strings.HasPrefix(g, "family:") || strings.HasPrefix(g, "service:") {
		f.Add("Group %s: the prefixes family: and service: are reserved.", g)
	}
	if p == types.PropagateTagsService {
		f.Add("PropagateTags can't be SERVICE for a task that no service runs; use TASK_DEFINITION.")
	}
	scope.TagFaults(f, tags)
}

// relaunch answers a RunTask whose token stands for one that was made before
// with that one's tasks; those that aren't described any more have stopped.
func (a *Tasks) relaunch(tx store.Tx, l ecs.Launch, out *sdk.RunTaskOutput) (again bool, err error) {
	if l.Token == "" {
		return false, nil
	}
	first, ok, err := handler.Find(tx, ecs.Launches, l.Key())
	if err != nil || !ok {
		return false, err
	}
	var there []ecs.Task
	for _, id := range first.Tasks {
		t, ok, err := handler.Find(tx, ecs.Tasks, l.Cluster+"/"+id)
		switch {
		case err != nil:
			return false, err
		case !ok:
			out.Tasks = append(out.Tasks, types.Task{
				TaskArn:    aws.String(a.NS.ARN("ecs", "task/"+l.Cluster+"/"+id)),
				LastStatus: aws.String(ecs.Stopped), DesiredStatus: aws.String(ecs.Stopped),
			})
		default:
			there = append(there, t)
			out.Tasks = append(out.Tasks, taskOut(&t, a.NS, true))
		}
	}
	if !l.CreatedAt.Before(first.Over(there)) {
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
func (a *Tasks) StartTask(ctx context.Context, in *sdk.StartTaskInput) (*sdk.StartTaskOutput, error) {
	if n := len(in.ContainerInstances); n == 0 || n > 10 {
		return nil, ecs.Invalid("containerInstances must have 1 to 10 items.")
	}
	var f ecs.Faults
	startFaults(&f, in.StartedBy, in.Group, in.PropagateTags, in.Tags)
	if err := f.Err(ecs.Invalid); err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.StartTaskOutput, error) {
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return nil, err
		}
		d, err := a.LaunchableDefinition(tx, *in.TaskDefinition)
		if err != nil {
			return nil, err
		}
		if _, err := definition.Override(d.Definition, in.Overrides); err != nil {
			return nil, err
		}
		missing, err := a.NoInstances(c.Name, in.ContainerInstances)
		return &sdk.StartTaskOutput{Tasks: []types.Task{}, Failures: missing}, err
	})
}
