package shift

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// Course is the way that a deployment takes.
type Course struct {
	Reconcile bool   // revisions beside blue run, and go first
	Steps     []Step // of the production traffic; the last is all of it
	Bake      time.Duration
	Hooks     []ecs.Hook
}

// Step is a share of the production traffic, and how long it is watched.
type Step struct {
	Percent float64
	Bake    time.Duration
}

// CourseOf is the course of a configuration. Where there is no blue to compare
// with, or to go back to, nothing is gained by waiting: all traffic goes at
// once, and none is watched.
func CourseOf(c ecs.Strategy, blue, others bool) Course {
	out := Course{Reconcile: others, Steps: []Step{{Percent: 100}}, Hooks: c.Hooks}
	if !blue {
		return out
	}
	out.Bake = minutes(c.BakeMinutes)
	switch c.Kind {
	case types.DeploymentStrategyLinear:
		out.Steps = nil
		for n := 1; ; n++ {
			percent := min(float64(n)*c.Linear.Percent, 100)
			percent = float64(int(percent*10+0.5)) / 10
			out.Steps = append(out.Steps, Step{Percent: percent, Bake: minutes(c.Linear.Minutes)})
			if percent == 100 {
				break
			}
		}
	case types.DeploymentStrategyCanary:
		out.Steps = slices.Insert(out.Steps, 0, Step{Percent: c.Canary.Percent, Bake: minutes(c.Canary.Minutes)})
	}
	return out
}

func minutes(n int32) time.Duration { return time.Duration(n) * time.Minute }

// first is the stage that the deployment begins with.
func (c Course) first() types.ServiceDeploymentLifecycleStage {
	if c.Reconcile {
		return reconcile
	}
	return preScaleUp
}

// weights are green's shares of the production and the test traffic in s.
func (c Course) weights(s ecs.Shift) (toProduction, toTest float64) {
	at := slices.Index(order, s.Stage)
	if s.Back || at < slices.Index(order, testShift) {
		return 0, 0
	}
	switch {
	case at < slices.Index(order, preProduction):
		return 0, 100
	case s.Stage == preProduction && s.Step == 0:
		return 0, 100
	case s.Stage == preProduction:
		return c.Steps[s.Step-1].Percent, 100
	case s.Stage == production:
		return c.Steps[s.Step].Percent, 100
	}
	return 100, 100
}

// Weights makes the weights of two target groups, blue's and green's, from
// green's percentage: as few digits as its tenths allow.
func Weights(green float64) (blueWeight, greenWeight int32) {
	tenths := int32(green*10 + 0.5)
	if tenths%10 == 0 {
		return 100 - tenths/10, tenths / 10
	}
	return 1000 - tenths, tenths
}
