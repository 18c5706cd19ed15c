package ecs

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// Strategy is how a service's deployments move traffic to new tasks.
type Strategy struct {
	Kind        types.DeploymentStrategy // "" is ROLLING
	BakeMinutes int32                    // how long both revisions run once all traffic is shifted
	Linear      ShiftStep                // of LINEAR
	Canary      ShiftStep                // of CANARY
	Hooks       []Hook
}

// ShiftStep is how much traffic is shifted at once, and how long that is
// watched.
type ShiftStep struct {
	Percent float64
	Minutes int32
}

// Hook is a point at which a deployment waits to be continued.
type Hook struct {
	Stages         []types.DeploymentLifecycleHookStage
	TimeoutMinutes int32
	OnTimeout      types.DeploymentLifecycleHookAction
}

// Shifts says whether deployments run both revisions side by side and shift
// traffic from one to the other.
func (s *Strategy) Shifts() bool {
	return s.Kind != "" && s.Kind != types.DeploymentStrategyRolling
}

// Shift is how far a service deployment that shifts traffic has come: from the
// revision that ran (blue) to the one that it brings (green). Only ecs/deploy
// writes it.
type Shift struct {
	Stage types.ServiceDeploymentLifecycleStage // "" before it begins, and while tasks are replaced one by one
	Since time.Time                             // the stage began
	Step  int                                   // of the production traffic's way, from 0
	Moved time.Time                             // the balancer has the weights of the stage; zero until it has
	Hooks []HookRun                             // of the last stage that had any
	Blue  string                                // id of the revision that ran; "" if none did
	Back  bool                                  // it was given up: all traffic is blue's

	Production, Test float64 // how much of the traffic is green's, in percent
}

// Proven says that green has proven itself: blue goes, and there is no way back.
func (s *Shift) Proven() bool {
	return s.Stage == types.ServiceDeploymentLifecycleStageCleanUp && !s.Back
}

// HookRun is a lifecycle hook that a deployment came to. It waits for an answer.
type HookRun struct {
	ID        string // ecs-pause-…
	Status    types.DeploymentLifecycleHookStatus
	ExpiresAt time.Time
	OnTimeout types.DeploymentLifecycleHookAction
}

// PreProduction is the stage before each step of the production traffic; the
// SDK has it as a stage of hooks only.
const PreProduction = types.ServiceDeploymentLifecycleStage(types.DeploymentLifecycleHookStagePreProductionTrafficShift)

// Running are the revisions that are to run, each at the desired count.
func (d *ServiceDeployment) Running() []string {
	s := d.Progress.Shift
	switch {
	case !d.Config.Method.Shifts() || !d.Open():
		return []string{d.Wanted()}
	case s.Back && s.Stage == types.ServiceDeploymentLifecycleStageCleanUp:
		return []string{d.Wanted()}
	case s.Blue == "" || s.Proven():
		return []string{d.Target}
	case s.Back:
		return []string{d.Wanted(), d.Target}
	}
	switch s.Stage {
	case "", types.ServiceDeploymentLifecycleStageReconcileService, types.ServiceDeploymentLifecycleStagePreScaleUp:
		return []string{s.Blue}
	}
	return []string{s.Blue, d.Target}
}

// traffic fills in how much of the traffic is a revision's.
func (v serviceDeploymentView) traffic(revision string, out *types.ServiceRevisionSummary) {
	s := v.Progress.Shift
	if !v.routed || s.Stage == "" {
		return
	}
	switch revision {
	case v.Target:
		out.RequestedProductionTrafficWeight = aws.Float64(s.Production)
		out.RequestedTestTrafficWeight = aws.Float64(s.Test)
	case s.Blue:
		out.RequestedProductionTrafficWeight = aws.Float64(100 - s.Production)
		out.RequestedTestTrafficWeight = aws.Float64(100 - s.Test)
	default:
		out.RequestedProductionTrafficWeight, out.RequestedTestTrafficWeight = aws.Float64(0), aws.Float64(0)
	}
	if !v.tested {
		out.RequestedTestTrafficWeight = nil
	}
}

// hooks are the lifecycle hooks that the deployment came to last.
func (v serviceDeploymentView) hooks() (out []types.DeploymentLifecycleHookDetail) {
	for _, h := range v.Progress.Shift.Hooks {
		out = append(out, types.DeploymentLifecycleHookDetail{
			HookId: aws.String(h.ID), TargetType: types.DeploymentLifecycleHookTargetTypePause, Status: v.hookStatus(h),
			ExpiresAt: at(h.ExpiresAt), TimeoutAction: h.OnTimeout,
		})
	}
	return out
}

// hookStatus is the status of a hook; an answer shows at once.
func (d *ServiceDeployment) hookStatus(h HookRun) types.DeploymentLifecycleHookStatus {
	if h.Status != types.DeploymentLifecycleHookStatusAwaitingAction {
		return h.Status
	}
	switch d.Answers[h.ID] {
	case types.DeploymentLifecycleHookActionContinue:
		return types.DeploymentLifecycleHookStatusSucceeded
	case types.DeploymentLifecycleHookActionRollback:
		return types.DeploymentLifecycleHookStatusFailed
	}
	return h.Status
}

// ContinueServiceDeployment answers a hook that a deployment waits at.
func (a *API) ContinueServiceDeployment(ctx context.Context, in *ecs.ContinueServiceDeploymentInput) (*ecs.ContinueServiceDeploymentOutput, error) {
	key, err := a.historyRef(*in.ServiceDeploymentArn, "service-deployment")
	if err != nil {
		return nil, err
	}
	action := in.Action
	if action == "" {
		action = types.DeploymentLifecycleHookActionContinue
	}
	err = a.db.Update(ctx, func(tx store.Tx) error {
		d, err := ServiceDeployments.Get(tx, key)
		if missing(err) {
			return &types.ServiceDeploymentNotFoundException{Message: aws.String("Service deployment not found.")}
		}
		if err != nil {
			return err
		}
		i := slices.IndexFunc(d.Progress.Shift.Hooks, func(h HookRun) bool { return h.ID == *in.HookId })
		switch {
		case i < 0:
			return invalid("The service deployment has no lifecycle hook %s.", *in.HookId)
		case d.status() != types.ServiceDeploymentStatusInProgress:
			return invalid("The service deployment can't be continued: it is %s.", d.status())
		case d.hookStatus(d.Progress.Shift.Hooks[i]) != types.DeploymentLifecycleHookStatusAwaitingAction:
			return invalid("The lifecycle hook %s is not awaiting action: it is %s.", *in.HookId, d.hookStatus(d.Progress.Shift.Hooks[i]))
		}
		answers := map[string]types.DeploymentLifecycleHookAction{*in.HookId: action}
		for _, h := range d.Progress.Shift.Hooks { // those of other stages have done their part
			if a, ok := d.Answers[h.ID]; ok {
				answers[h.ID] = a
			}
		}
		d.Answers = answers
		return ServiceDeployments.Put(tx, key, d)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.ContinueServiceDeploymentOutput{ServiceDeploymentArn: in.ServiceDeploymentArn}, nil
}
