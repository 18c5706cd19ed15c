package ecs

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
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
