package task

import (
	"context"
	"iter"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/store"
)

// ListTasks returns the ARNs of a cluster's tasks that all filters fit. It reads
// indexes, and only as much of them as fills the page.
func (a *Tasks) ListTasks(ctx context.Context, in *sdk.ListTasksInput) (*sdk.ListTasksOutput, error) {
	if err := checkList(in); err != nil {
		return nil, err
	}
	page, err := scope.Pages(100, 100).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.ListTasksOutput, error) {
		out := &sdk.ListTasksOutput{TaskArns: []string{}}
		list, fits, err := a.filter(tx, in)
		if err != nil || list == "" {
			return out, err
		}
		keys, next, err := handler.Fill(page, fitting(ecs.Tasks.Keys(tx, "list", list, page.After), fits), scope.Itself)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			out.TaskArns = append(out.TaskArns, a.NS.ARN("ecs", "task/"+key))
		}
		out.NextToken = next
		return out, nil
	})
}

// fitting yields the keys that fit, and every error.
func fitting(keys iter.Seq[string], fits func(key string) (bool, error)) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for key := range keys {
			if ok, err := fits(key); (ok || err != nil) && !yield(key, err) {
				return
			}
		}
	}
}

func checkList(in *sdk.ListTasksInput) error {
	if in.StartedBy != nil && (in.Family != nil || in.ServiceName != nil || in.ContainerInstance != nil || in.LaunchType != "") {
		return ecs.Invalid("When you specify startedBy as the filter, it must be the only filter that you use.")
	}
	return nil
}

// filter says which list has the tasks that are asked for, and which of its
// tasks fit; "" when none can.
func (a *Tasks) filter(tx store.Tx, in *sdk.ListTasksInput) (list string, fits func(key string) (bool, error), err error) {
	c, err := a.ActiveCluster(tx, in.Cluster)
	if err != nil {
		return "", nil, err
	}
	desired := string(in.DesiredStatus)
	if desired == "" {
		desired = ecs.Running
	}
	fits = func(string) (bool, error) { return true, nil }
	switch {
	case in.ServiceName != nil:
		key, err := a.ServiceKey(c.Name, *in.ServiceName)
		if err != nil {
			return "", nil, err
		}
		if _, err := handler.Get(tx, ecs.Services, key, scope.NoService); err != nil {
			return "", nil, err
		}
		list = ecs.ListOfService(key, desired)
		if in.Family != nil {
			fits = func(key string) (bool, error) {
				t, err := ecs.Tasks.Get(tx, key)
				return t.Family() == *in.Family, err
			}
		}
	case in.Family != nil:
		list = ecs.ListOfFamily(c.Name, *in.Family, desired)
	case in.StartedBy != nil:
		list = ecs.ListOfStarter(c.Name, *in.StartedBy, desired)
	default:
		list = ecs.ListOfCluster(c.Name, desired)
	}
	if in.ContainerInstance != nil {
		if _, err := a.NoInstances(c.Name, []string{*in.ContainerInstance}); err != nil {
			return "", nil, err
		}
		return "", nil, scope.NoInstance()
	}
	if in.LaunchType != "" && in.LaunchType != types.LaunchTypeFargate {
		return "", nil, nil
	}
	return list, fits, nil
}
