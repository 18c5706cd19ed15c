package ecs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// ListTasks returns the ARNs of a cluster's tasks that all filters fit. It reads
// indexes, and only as much of them as fills the page.
func (a *API) ListTasks(ctx context.Context, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	if err := checkList(in); err != nil {
		return nil, err
	}
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	after, err := position(in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &ecs.ListTasksOutput{}
	err = a.db.View(ctx, func(tx store.Tx) error {
		out.TaskArns, out.NextToken = []string{}, nil
		list, fits, err := a.filter(tx, in)
		if err != nil || list == "" {
			return err
		}
		last := ""
		for key := range Tasks.Keys(tx, "list", list, after) {
			if ok, err := fits(key); err != nil {
				return err
			} else if !ok {
				continue
			}
			if len(out.TaskArns) == int(n) {
				out.NextToken = positionAt(last)
				return nil
			}
			out.TaskArns = append(out.TaskArns, a.ns.ARN("ecs", "task/"+key))
			last = key
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func checkList(in *ecs.ListTasksInput) error {
	if in.StartedBy != nil && (in.Family != nil || in.ServiceName != nil || in.ContainerInstance != nil || in.LaunchType != "") {
		return invalid("When you specify startedBy as the filter, it must be the only filter that you use.")
	}
	return nil
}

// filter says which list has the tasks that are asked for, and which of its
// tasks fit; "" when none can.
func (a *API) filter(tx store.Tx, in *ecs.ListTasksInput) (list string, fits func(key string) (bool, error), err error) {
	c, err := a.activeCluster(tx, in.Cluster)
	if err != nil {
		return "", nil, err
	}
	desired := string(in.DesiredStatus)
	if desired == "" {
		desired = Running
	}
	fits = func(string) (bool, error) { return true, nil }
	switch {
	case in.ServiceName != nil:
		key, err := a.serviceKey(c.Name, *in.ServiceName)
		if err != nil {
			return "", nil, err
		}
		if _, err := Services.Get(tx, key); missing(err) {
			return "", nil, &types.ServiceNotFoundException{Message: aws.String("Service not found.")}
		} else if err != nil {
			return "", nil, err
		}
		list = listService(key, desired)
		if in.Family != nil {
			fits = func(key string) (bool, error) {
				t, err := Tasks.Get(tx, key)
				return t.family() == *in.Family, err
			}
		}
	case in.Family != nil:
		list = listFamily(c.Name, *in.Family, desired)
	case in.StartedBy != nil:
		list = listStarter(c.Name, *in.StartedBy, desired)
	default:
		list = listCluster(c.Name, desired)
	}
	if in.ContainerInstance != nil {
		if _, err := a.noInstances(c.Name, []string{*in.ContainerInstance}); err != nil {
			return "", nil, err
		}
		return "", nil, noInstance()
	}
	if in.LaunchType != "" && in.LaunchType != types.LaunchTypeFargate {
		return "", nil, nil
	}
	return list, fits, nil
}
