package deploy

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy/plan"
	"github.com/skylift/skylift/internal/service/ecs/deploy/shift"
)

// shifting says that both revisions run side by side, and traffic is shifted
// from one to the other.
func (p *pass) shifting() bool {
	return p.current.Open() && p.current.Config.Method.Shifts()
}

// place fixes where the tasks of the revision that is to run are targets.
func (p *pass) place() error {
	if p.wanted.Groups != nil || p.route.Groups == nil || p.wanted.ID != p.route.Revision {
		return nil
	}
	p.wanted.Groups = p.route.Groups
	return ecs.ServiceRevisions.Put(p.tx, p.wanted.Key(), p.wanted)
}

// candidate is the id of the revision that is rolled back to: one that is known
// to work, else the one that ran; "" if there is none.
func (p *pass) candidate() string {
	if p.current.Fallback != "" {
		return p.current.Fallback
	}
	return p.current.Progress.Shift.Blue
}

// shift takes the deployment on, or gives it up.
func (p *pass) shift() error {
	if p.service.Status != ecs.Active {
		return nil
	}
	if p.current.Progress.Status == types.ServiceDeploymentStatusInProgress {
		p.proveBreaker()
	}
	was := p.current.Progress.Shift
	if was.Stage == "" {
		blue, err := p.blue()
		if err != nil {
			return err
		}
		was.Blue = blue
	}
	course := shift.CourseOf(p.current.Config.Method, was.Blue != "", p.others(was.Blue))
	next, out := shift.Next(course, was, p.world(was))
	p.current.Progress.Shift = next
	if err := p.tellShift(was, next); err != nil {
		return err
	}
	p.shifted = out.Done
	if !out.Again.IsZero() {
		p.wake(out.Again)
	}
	if out.Fail == "" {
		return nil
	}
	p.current.Progress.Tripped = out.Fail == tripped
	if err := p.giveUp("", out.Fail, out.Fail, out.Fail); err != nil || p.candidate() == "" {
		return err
	}
	p.current.Progress.Shift = shift.Back(next, p.now)
	p.wake(p.now)
	return p.tell("(deployment %s) has all production traffic again.", p.primary().ID)
}

// blue chooses the revision that runs until the new one has proven itself: the
// one that is known to work, else one that production traffic goes to.
func (p *pass) blue() (string, error) {
	if p.current.Fallback != "" {
		return p.current.Fallback, nil
	}
	for _, d := range p.deployments[1:] {
		r, err := ecs.ServiceRevisions.Get(p.tx, p.service.Key()+"/"+d.Revision())
		if err != nil {
			return "", fmt.Errorf("read revision %s: %w", d.Revision(), err)
		}
		for i, l := range r.Placed() {
			served := slices.ContainsFunc(p.wanted.LoadBalancers, func(o ecs.LoadBalancer) bool { return slices.Contains(o.Groups(), l.TargetGroup) })
			if served && i < len(p.wanted.Groups) && !slices.Contains(p.wanted.Groups, l.TargetGroup) {
				return r.ID, nil
			}
		}
	}
	return "", nil
}

// others says whether tasks run of a revision that is neither blue nor green.
func (p *pass) others(blue string) bool {
	return slices.ContainsFunc(p.tasks, func(t ecs.Task) bool { return p.stray(t, blue) && (t.Counted() || serves(t)) })
}

func (p *pass) stray(t ecs.Task, blue string) bool {
	return t.Deployment != ecs.DeploymentID(p.current.Target) && t.Deployment != ecs.DeploymentID(blue)
}

// world is what shift looks at.
func (p *pass) world(s ecs.Shift) shift.World {
	green, ready := p.healthyOf(p.current.Target)
	blue, _ := p.healthyOf(s.Blue)
	w := shift.World{
		Now: p.now, Started: p.current.Progress.StartedAt,
		Alone: !p.others(s.Blue), Ready: ready, Lost: green == 0 && blue > 0,
		Routed: p.routed(), Settled: p.steady(),
		HookID:     ecs.NewHookID,
		HookAnswer: func(id string) types.DeploymentLifecycleHookAction { return p.current.Answers[id] },
	}
	if p.route.Deployment == p.current.ID {
		w.Misrouted = p.route.Misrouted
	}
	switch b := p.service.Breaker; {
	case p.current.Stop != "":
		w.Stop = asked
	case b.Enable && p.current.Progress.Failures >= ecs.Threshold(p.service.Desired):
		w.Stop = tripped
	}
	return w
}

// routed says whether the rules have the weights that the deployment asks for.
func (p *pass) routed() bool {
	r, s := p.route, p.current.Progress.Shift
	return r.Ok && r.Deployment == p.current.ID && r.Shift.Production == s.Production && r.Shift.Test == s.Test && r.Shift.Back == s.Back
}

// healthyOf counts the healthy tasks of a revision; ready says that they are as many
// as are wanted, and have been for long enough.
func (p *pass) healthyOf(revision string) (n int, ready bool) {
	id, proved := ecs.DeploymentID(revision), 0
	for _, t := range p.tasks {
		if t.Deployment != id || t.Desired != ecs.Running || t.Status != ecs.Running || p.health(t) != plan.Healthy {
			continue
		}
		if n++; p.proven(t) {
			proved++
		}
	}
	return n, proved >= int(p.service.Desired)
}

// actSides keeps either revision at the desired count, while it is wanted.
func (p *pass) actSides() error {
	s := p.current.Progress.Shift
	if err := p.actSide(p.current.Target, shift.Green(s)); err != nil {
		return err
	}
	if s.Blue != "" {
		if err := p.actSide(s.Blue, shift.Blue(s)); err != nil {
			return err
		}
	}
	if p.service.Status == ecs.Active && !(s.Stage == types.ServiceDeploymentLifecycleStageReconcileService && p.routed()) {
		return nil
	}
	var others []string
	for _, t := range p.tasks {
		if p.stray(t, s.Blue) && t.Desired == ecs.Running {
			others = append(others, t.ID)
		}
	}
	return p.stop(others)
}

func (p *pass) actSide(revision string, wanted bool) error {
	id := ecs.DeploymentID(revision)
	var in plan.Input
	if wanted && p.service.Status == ecs.Active {
		in.Desired = int(p.service.Desired)
		in.Low, in.High = p.service.Bounds()
	}
	for _, t := range p.tasks {
		switch {
		case t.Deployment != id:
		case t.Desired == ecs.Running:
			in.Tasks = append(in.Tasks, p.member(t, true))
		default:
			if t.Counted() {
				in.Leaving++
			}
			if t.Status != ecs.Stopped {
				in.Freeing++
			}
		}
	}
	if in.Desired > 0 {
		in.MayStart = p.mayStartSide(id)
	}
	p.limit(&in, id)
	a := plan.Decide(in)
	if i := p.deploymentAt(id); i >= 0 {
		if err := p.hold(&p.deployments[i], in, a); err != nil {
			return err
		}
	}
	if err := p.startSide(revision, a.Start); err != nil {
		return err
	}
	if i := p.deploymentAt(id); i >= 0 && len(a.Stop)+a.Start > 0 {
		p.deployments[i].Rollout.Steady = false
	}
	return p.stop(a.Stop)
}

func (p *pass) deploymentAt(id string) int {
	return slices.IndexFunc(p.deployments, func(d ecs.Deployment) bool { return d.ID == id })
}

// mayStartSide says whether tasks of a side may start now. Green's may not any
// more once the deployment was given up.
func (p *pass) mayStartSide(id string) bool {
	if id == p.primary().ID {
		return p.mayStart()
	}
	if id == ecs.DeploymentID(p.current.Target) {
		return false
	}
	if i := p.deploymentAt(id); i >= 0 && p.now.Before(p.deployments[i].Rollout.NotBefore) {
		p.wake(p.deployments[i].Rollout.NotBefore)
		return false
	}
	return true
}

// startSide makes n tasks of a revision, whose deployment is made anew when
// none of its tasks was left.
func (p *pass) startSide(revision string, n int) error {
	if n == 0 {
		return nil
	}
	if revision == p.wanted.ID {
		return p.start(p.primary(), &p.wanted, n)
	}
	r, err := ecs.ServiceRevisions.Get(p.tx, p.service.Key()+"/"+revision)
	if err != nil {
		return fmt.Errorf("read revision %s: %w", revision, err)
	}
	i := p.deploymentAt(ecs.DeploymentID(revision))
	if i < 0 {
		i = len(p.deployments)
		p.deployments = append(p.deployments, r.NewDeployment(p.now))
	}
	return p.start(&p.deployments[i], &r, n)
}

// tellShift tells what a step changed for users.
func (p *pass) tellShift(was, now ecs.Shift) error {
	id := ecs.DeploymentID(p.current.Target)
	if now.Production != was.Production {
		if err := p.tell("(deployment %s) has %g percent of the production traffic.", id, now.Production); err != nil {
			return err
		}
	}
	for _, h := range now.Hooks {
		known := slices.ContainsFunc(was.Hooks, func(o ecs.HookRun) bool { return o.ID == h.ID })
		if !known && h.Status == types.DeploymentLifecycleHookStatusAwaitingAction {
			if err := p.tell("(deployment %s) is paused at the %s lifecycle stage: (hook %s) is awaiting action.", id, now.Stage, h.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
