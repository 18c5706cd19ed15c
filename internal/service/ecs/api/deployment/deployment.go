package deployment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// historyRef reads the ARN of something that a service has had: the key of its
// record.
func (a *Deployments) historyRef(ref, kind string) (string, error) {
	key, err := a.Ours(ref, kind)
	if err == nil && (!strings.HasPrefix(ref, "arn:") || strings.Count(key, "/") != 2) {
		err = ecs.Invalid("Invalid identifier: %s is not the ARN of a %s.", ref, kind)
	}
	return key, err
}

// clusterOf returns the cluster of the service that ref names. Its ARN names it, when none is given.
func (a *Deployments) clusterOf(cluster *string, ref string) *string {
	if rest, err := a.Ours(ref, "service"); err == nil && aws.ToString(cluster) == "" {
		if name, _, ok := strings.Cut(rest, "/"); ok {
			return &name
		}
	}
	return cluster
}

// serviceOf returns the key of the service that ref names.
func (a *Deployments) serviceOf(tx store.Tx, cluster *string, ref string) (string, error) {
	c, err := a.ActiveCluster(tx, a.clusterOf(cluster, ref))
	if err != nil {
		return "", err
	}
	key, err := a.ServiceKey(c.Name, ref)
	if err != nil {
		return "", err
	}
	_, err = handler.Get(tx, ecs.Services, key, scope.NoService)
	return key, err
}

// ListServiceDeployments returns what a service's deployments have come to, the
// newest first.
func (a *Deployments) ListServiceDeployments(ctx context.Context, in *sdk.ListServiceDeploymentsInput) (*sdk.ListServiceDeploymentsOutput, error) {
	// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ListServiceDeployments.html
	page, err := scope.Pages(20, 100).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	page.Descending = true
	found, err := handler.View(ctx, a.DB, func(tx store.Tx) ([]ecs.ServiceDeployment, error) {
		key, err := a.serviceOf(tx, in.Cluster, *in.Service)
		if err != nil {
			return nil, err
		}
		all, err := ecs.ServiceDeployments.List(tx, key+"/")
		return slices.DeleteFunc(all, func(d ecs.ServiceDeployment) bool { return !fits(&d, in) }), err
	})
	if err != nil {
		return nil, err
	}
	found, next := handler.Cut(page, found, func(d ecs.ServiceDeployment) string { return d.Order() })
	out := &sdk.ListServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeploymentBrief{}, NextToken: next}
	for _, d := range found {
		out.ServiceDeployments = append(out.ServiceDeployments, brief(&d, a.NS))
	}
	return out, nil
}

// fits says whether the filters of a list let the service deployment through.
func fits(d *ecs.ServiceDeployment, in *sdk.ListServiceDeploymentsInput) bool {
	if len(in.Status) > 0 && !slices.Contains(in.Status, status(d)) {
		return false
	}
	return in.CreatedAt == nil ||
		(in.CreatedAt.After == nil || d.CreatedAt.After(*in.CreatedAt.After)) &&
			(in.CreatedAt.Before == nil || d.CreatedAt.Before(*in.CreatedAt.Before))
}

func noDeployment(string) error {
	return &types.ServiceDeploymentNotFoundException{Message: aws.String("Service deployment not found.")}
}

// mostDescribed is how many service deployments or revisions one call describes.
const mostDescribed = 20

// DescribeServiceDeployments returns up to 20 service deployments.
func (a *Deployments) DescribeServiceDeployments(ctx context.Context, in *sdk.DescribeServiceDeploymentsInput) (*sdk.DescribeServiceDeploymentsOutput, error) {
	if n := len(in.ServiceDeploymentArns); n == 0 || n > mostDescribed {
		return nil, ecs.Invalid("serviceDeploymentArns must have between 1 and %d items.", mostDescribed)
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.DescribeServiceDeploymentsOutput, error) {
		out := &sdk.DescribeServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeployment{}, Failures: []types.Failure{}}
		for _, ref := range in.ServiceDeploymentArns {
			key, err := a.historyRef(ref, "service-deployment")
			if err != nil {
				return nil, err
			}
			d, ok, err := handler.Find(tx, ecs.ServiceDeployments, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, shape.Failure(ref, "MISSING"))
				continue
			}
			v, err := viewServiceDeployment(tx, d)
			if err != nil {
				return nil, err
			}
			out.ServiceDeployments = append(out.ServiceDeployments, v.wire(a.NS))
		}
		return out, nil
	})
}

// DescribeServiceRevisions returns up to 20 revisions of services.
func (a *Deployments) DescribeServiceRevisions(ctx context.Context, in *sdk.DescribeServiceRevisionsInput) (*sdk.DescribeServiceRevisionsOutput, error) {
	if n := len(in.ServiceRevisionArns); n == 0 || n > mostDescribed {
		return nil, ecs.Invalid("serviceRevisionArns must have between 1 and %d items.", mostDescribed)
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.DescribeServiceRevisionsOutput, error) {
		out := &sdk.DescribeServiceRevisionsOutput{ServiceRevisions: []types.ServiceRevision{}, Failures: []types.Failure{}}
		for _, ref := range in.ServiceRevisionArns {
			key, err := a.historyRef(ref, "service-revision")
			if err != nil {
				return nil, err
			}
			r, ok, err := handler.Find(tx, ecs.ServiceRevisions, key)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, shape.Failure(ref, "MISSING"))
				continue
			}
			d, err := ecs.DefinitionByARN(tx, r.TaskDefinition)
			if err != nil && !errors.Is(err, store.ErrNotFound) { // a definition may be deleted once nothing runs of it
				return nil, err
			}
			out.ServiceRevisions = append(out.ServiceRevisions, revisionOut(&r, a.NS, imagesOf(&r, d.Definition)))
		}
		return out, nil
	})
}

// StopServiceDeployment asks for the end of a service deployment: back to the
// revision that is known to work, or, with ABORT, where it stands.
func (a *Deployments) StopServiceDeployment(ctx context.Context, in *sdk.StopServiceDeploymentInput) (*sdk.StopServiceDeploymentOutput, error) {
	key, err := a.historyRef(*in.ServiceDeploymentArn, "service-deployment")
	if err != nil {
		return nil, err
	}
	stop := in.StopType
	if stop == "" {
		stop = types.StopServiceDeploymentStopTypeRollback
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		d, err := handler.Get(tx, ecs.ServiceDeployments, key, noDeployment)
		switch {
		case err != nil:
			return err
		case !d.Open():
			return &types.ConflictException{
				Message:     aws.String(fmt.Sprintf("The service deployment can't be stopped: it is %s.", d.Progress.Status)),
				ResourceIds: []string{*in.ServiceDeploymentArn},
			}
		case status(&d) != types.ServiceDeploymentStatusPending && status(&d) != types.ServiceDeploymentStatusInProgress:
			return nil // it is on its way to its end
		}
		if stop == types.StopServiceDeploymentStopTypeAbort && d.Config.Method.Shifts() {
			return ecs.Invalid("The stop type ABORT is not supported for the %s deployment strategy, which would be left between two revisions. Use ROLLBACK.", d.Config.Method.Kind)
		}
		d.Stop = stop
		return ecs.ServiceDeployments.Put(tx, key, d)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.StopServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}

// ContinueServiceDeployment answers a hook that a deployment waits at.
func (a *Deployments) ContinueServiceDeployment(ctx context.Context, in *sdk.ContinueServiceDeploymentInput) (*sdk.ContinueServiceDeploymentOutput, error) {
	key, err := a.historyRef(*in.ServiceDeploymentArn, "service-deployment")
	if err != nil {
		return nil, err
	}
	action := in.Action
	if action == "" {
		action = types.DeploymentLifecycleHookActionContinue
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		d, err := handler.Get(tx, ecs.ServiceDeployments, key, noDeployment)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(d.Progress.Shift.Hooks, func(h ecs.HookRun) bool { return h.ID == *in.HookId })
		switch {
		case i < 0:
			return ecs.Invalid("The service deployment has no lifecycle hook %s.", *in.HookId)
		case status(&d) != types.ServiceDeploymentStatusInProgress:
			return ecs.Invalid("The service deployment can't be continued: it is %s.", status(&d))
		case hookStatus(&d, d.Progress.Shift.Hooks[i]) != types.DeploymentLifecycleHookStatusAwaitingAction:
			return ecs.Invalid("The lifecycle hook %s is not awaiting action: it is %s.", *in.HookId, hookStatus(&d, d.Progress.Shift.Hooks[i]))
		}
		answers := map[string]types.DeploymentLifecycleHookAction{*in.HookId: action}
		for _, h := range d.Progress.Shift.Hooks { // those of other stages have done their part
			if a, ok := d.Answers[h.ID]; ok {
				answers[h.ID] = a
			}
		}
		d.Answers = answers
		return ecs.ServiceDeployments.Put(tx, key, d)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.ContinueServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}
