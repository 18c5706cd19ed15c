// Package shift decides how a service deployment moves traffic from the
// revision that runs (blue) to the one that it brings (green).
//
// Green gets production traffic only once all of its tasks are healthy and the
// hooks before that were continued; once the deployment is given up, all
// traffic is blue's. It always ends: no stage waits for ever.
package shift

import (
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// The stages, in their order. Those before and at each step of the production
// traffic come again for every step.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/blue-green-deployment-how-it-works.html
const (
	reconcile      = types.ServiceDeploymentLifecycleStageReconcileService
	preScaleUp     = types.ServiceDeploymentLifecycleStagePreScaleUp
	scaleUp        = types.ServiceDeploymentLifecycleStageScaleUp
	postScaleUp    = types.ServiceDeploymentLifecycleStagePostScaleUp
	testShift      = types.ServiceDeploymentLifecycleStageTestTrafficShift
	postTestShift  = types.ServiceDeploymentLifecycleStagePostTestTrafficShift
	preProduction  = ecs.PreProduction
	production     = types.ServiceDeploymentLifecycleStageProductionTrafficShift
	postProduction = types.ServiceDeploymentLifecycleStagePostProductionTrafficShift
	bakeTime       = types.ServiceDeploymentLifecycleStageBakeTime
	cleanUp        = types.ServiceDeploymentLifecycleStageCleanUp
)

var order = []types.ServiceDeploymentLifecycleStage{
	reconcile, preScaleUp, scaleUp, postScaleUp, testShift, postTestShift, preProduction, production, postProduction, bakeTime, cleanUp,
}

// Limits, as ECS has them: of a stage, beside what it waits by its
// configuration, and of the deployment.
const (
	stageLimit = 24 * time.Hour
	wholeLimit = 30 * 24 * time.Hour
)

// World is what is true now.
type World struct {
	Now        time.Time
	Started    time.Time // when the deployment began
	Alone      bool      // no task runs of a revision other than blue and green
	Ready      bool      // as many tasks of green as are wanted are healthy
	Lost       bool      // none of green is, while one of blue is
	Routed     bool      // the rules have the weights that the shift asks for
	Settled    bool      // only the revision that stays runs, as wanted
	Stop       string    // why it is to be given up, whatever the stage; ""
	Misrouted  string    // why the rules can't have their weights; ""
	HookID     func() string
	HookAnswer func(id string) types.DeploymentLifecycleHookAction // "" until there is one
}

// Outcome is what the deployment has come to.
type Outcome struct {
	Done  bool
	Fail  string    // why it is to be given up: then call Back
	Again time.Time // when to look again even if nothing changes; zero: not
}

// Next takes s as far along c as it gets now. New weights (Production, Test)
// are to be given to the rules before the next call.
func Next(c Course, s ecs.Shift, w World) (ecs.Shift, Outcome) {
	if s.Stage == "" {
		s = enter(c, s, c.first(), w)
	}
	if w.Misrouted != "" && s.Stage != cleanUp && !s.Back {
		return s, Outcome{Fail: w.Misrouted}
	}
	for {
		m := move{course: c, shift: s, world: w}
		if why := m.fail(); why != "" {
			return m.shift, Outcome{Fail: why}
		}
		until, ok := m.passed()
		if !ok {
			return m.shift, Outcome{Again: soonest(w.Now, until, m.deadline())}
		}
		if m.shift.Stage == cleanUp {
			return m.shift, Outcome{Done: true}
		}
		s = m.next()
		if s.Production != m.shift.Production || s.Test != m.shift.Test {
			return s, Outcome{Again: w.Now} // the weights first
		}
	}
}

// Back gives the deployment up: all traffic is blue's from now on.
func Back(s ecs.Shift, now time.Time) ecs.Shift {
	s.Back, s.Stage, s.Since, s.Moved, s.Step = true, production, now, time.Time{}, 0
	s.Production, s.Test = 0, 0
	for i, h := range s.Hooks {
		if h.Status == types.DeploymentLifecycleHookStatusAwaitingAction {
			s.Hooks = slices.Clone(s.Hooks)
			s.Hooks[i].Status = types.DeploymentLifecycleHookStatusFailed
		}
	}
	return s
}

// Blue says whether blue's tasks are wanted: until green is proven, and again
// when it is given up.
func Blue(s ecs.Shift) bool { return !s.Proven() }

// Green says whether green's tasks are wanted: once blue is alone, and until
// the traffic is back when the deployment is given up.
func Green(s ecs.Shift) bool {
	if s.Back {
		return s.Stage != cleanUp
	}
	return slices.Index(order, s.Stage) >= slices.Index(order, scaleUp)
}

// move is one look at a stage.
type move struct {
	course Course
	shift  ecs.Shift
	world  World
}

// enter begins a stage, with the hooks that are there.
func enter(c Course, s ecs.Shift, stage types.ServiceDeploymentLifecycleStage, w World) ecs.Shift {
	s.Stage, s.Since, s.Moved = stage, w.Now, time.Time{}
	s.Production, s.Test = c.weights(s)
	var hooks []ecs.HookRun
	for _, h := range c.Hooks {
		if !s.Back && slices.Contains(h.Stages, types.DeploymentLifecycleHookStage(stage)) {
			hooks = append(hooks, ecs.HookRun{
				ID: w.HookID(), Status: types.DeploymentLifecycleHookStatusAwaitingAction,
				ExpiresAt: w.Now.Add(minutes(h.TimeoutMinutes)), OnTimeout: h.OnTimeout,
			})
		}
	}
	if len(hooks) > 0 {
		s.Hooks = hooks
	}
	return s
}

// next is the stage after this one.
func (m *move) next() ecs.Shift {
	s := m.shift
	if s.Back {
		return enter(m.course, s, cleanUp, m.world)
	}
	if s.Stage == production && s.Step < len(m.course.Steps)-1 {
		s.Step++
		return enter(m.course, s, preProduction, m.world)
	}
	return enter(m.course, s, order[slices.Index(order, s.Stage)+1], m.world)
}

// fail says why the deployment is to be given up. In the last stage it is too
// late, and once it is given up there is no way further back.
func (m *move) fail() string {
	switch s, w := m.shift, m.world; {
	case s.Back || s.Stage == cleanUp:
		return ""
	case w.Stop != "":
		return w.Stop
	case w.Lost && s.Production > 0:
		return "Service deployment rolled back because the tasks of the new service revision are unhealthy."
	case !w.Now.Before(w.Started.Add(wholeLimit)):
		return "Service deployment rolled back because it took longer than 30 days."
	case !w.Now.Before(m.deadline()):
		return fmt.Sprintf("Service deployment rolled back because the %s lifecycle stage timed out.", s.Stage)
	}
	return m.hooks()
}

// deadline is the end of the stage at the latest.
func (m *move) deadline() time.Time {
	if m.shift.Back || m.shift.Stage == cleanUp {
		return time.Time{}
	}
	limit := stageLimit + m.wait()
	for _, h := range m.course.Hooks {
		if slices.Contains(h.Stages, types.DeploymentLifecycleHookStage(m.shift.Stage)) {
			limit = max(limit, stageLimit+minutes(h.TimeoutMinutes))
		}
	}
	return m.shift.Since.Add(limit)
}

// wait is how long the stage watches what it did.
func (m *move) wait() time.Duration {
	switch m.shift.Stage {
	case production:
		return m.course.Steps[m.shift.Step].Bake
	case bakeTime:
		return m.course.Bake
	}
	return 0
}

// hooks takes in what became of the stage's hooks; not empty is why the
// deployment is to be given up.
func (m *move) hooks() (fail string) {
	s := &m.shift
	s.Hooks = slices.Clone(s.Hooks)
	for i := range s.Hooks {
		h := &s.Hooks[i]
		if h.Status != types.DeploymentLifecycleHookStatusAwaitingAction {
			continue
		}
		action := m.world.HookAnswer(h.ID)
		switch {
		case action == types.DeploymentLifecycleHookActionContinue:
			h.Status = types.DeploymentLifecycleHookStatusSucceeded
		case action == types.DeploymentLifecycleHookActionRollback:
			h.Status = types.DeploymentLifecycleHookStatusFailed
			fail = fmt.Sprintf("Service deployment rolled back because %s lifecycle hook(s) failed.", s.Stage)
		case !m.world.Now.Before(h.ExpiresAt):
			h.Status = types.DeploymentLifecycleHookStatusTimedOut
			if h.OnTimeout == types.DeploymentLifecycleHookActionRollback {
				fail = fmt.Sprintf("Service deployment rolled back because %s lifecycle hook(s) timed out.", s.Stage)
			}
		}
	}
	return fail
}

// passed says whether the stage is over; if not, when it may be without
// anything else changing.
func (m *move) passed() (until time.Time, ok bool) {
	s, w := &m.shift, m.world
	if w.Routed && s.Moved.IsZero() {
		s.Moved = w.Now
	}
	over, waited := true, time.Time{}
	switch s.Stage {
	case reconcile:
		over = w.Routed && w.Alone
	case scaleUp:
		over = w.Ready
	case preProduction:
		over = w.Ready && w.Routed
	case preScaleUp, testShift: // before any task of green is checked, its target group must be in use
		over = w.Routed
	case production:
		over = w.Routed
		if last := s.Step == len(m.course.Steps)-1; over && !last && !s.Back {
			waited = s.Moved.Add(m.wait())
		}
	case bakeTime:
		over, waited = w.Ready, s.Since.Add(m.wait())
	case cleanUp:
		over = w.Settled
	}
	if w.Now.Before(waited) {
		over, until = false, waited
	}
	for _, h := range s.Hooks {
		if h.Status == types.DeploymentLifecycleHookStatusAwaitingAction {
			over = false
			until = soonest(w.Now, until, h.ExpiresAt)
		}
	}
	return until, over
}

// soonest is the first of the times that is still to come; zero if none is.
func soonest(now time.Time, times ...time.Time) (first time.Time) {
	for _, t := range times {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
