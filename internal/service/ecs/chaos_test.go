package ecs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

var (
	games     = flag.Int("games", 24, "how many games TestChaos plays")
	firstGame = flag.Int("first", 0, "seed of the first of them: to play a game again, -run TestChaos -first SEED -games 1")
)

// TestChaos plays half a minute of updates by users, of crashes between any two
// steps of the loops and, in every other game, of faults of the engine; then the
// world is kind. At every moment: never more tasks than the maximum by our own
// doing, and, while only we make mistakes, never fewer healthy ones than the
// minimum. At the end: what is wanted, and nothing else anywhere.
func TestChaos(t *testing.T) {
	t.Parallel()
	for seed := *firstGame; seed < *firstGame+*games; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("to play it again: go test ./internal/service/ecs -run 'TestChaos$' -first %d -games 1", seed)
				}
			}()
			r := rand.New(rand.NewPCG(uint64(seed), 7))
			play(t, fake.Config{
				Latency: time.Duration(r.IntN(3)) * 20 * time.Millisecond,
				Pull: func(ref string) fake.Pull {
					p := script.Pull(ref)
					p.Time = time.Duration(seed%5) * 700 * time.Millisecond
					return p
				},
				Behave: func(c engine.Container) fake.Behaviour {
					b := script.Behave(c)
					b.TermTime, b.StartTime = time.Duration(seed%3)*time.Second, time.Duration(seed%4)*100*time.Millisecond
					return b
				},
			}, func(w *world) { (&game{world: w, r: r, faults: seed%2 == 1}).play() })
		})
	}
}

// game is one game of TestChaos.
type game struct {
	*world
	r         *rand.Rand
	faults    bool // of the engine and of users who stop tasks
	breaker   bool // the circuit breaker is on
	low, high int32
	before    sample
	kept      map[string]time.Time // tasks → until when they are protected
}

type sample struct{ healthy, alive int }

// broken are images that don't work.
var broken = []string{"missing", "nocommand", "crash"}

func (g *game) play() {
	g.low, g.high = [...]int32{100, 50, 0}[g.r.IntN(3)], [...]int32{200, 150, 134}[g.r.IntN(3)]
	g.breaker, g.kept = g.r.IntN(2) == 0, map[string]time.Time{}
	g.define()
	g.service(int32(1+g.r.IntN(4)), balanced, breaker(true), func(in *sdk.CreateServiceInput) {
		c := in.DeploymentConfiguration
		c.MinimumHealthyPercent, c.MaximumPercent, c.DeploymentCircuitBreaker.Enable = &g.low, &g.high, g.breaker
	})
	g.upset(g.r.Uint64())
	for range 120 {
		g.after(250 * time.Millisecond)
		g.check()
		if g.faults && g.r.IntN(20) == 0 {
			g.net.full("subnet-b", g.r.IntN(2) == 0)
		}
		if g.r.IntN(8) == 0 {
			g.act()
		}
	}
	g.calm()
	g.unprotect()
	g.repair()
	g.unblock()
	g.end()
}

// upset has every other thing that the loops do fail, before or after it was
// done, one time in ten: to them that is the same as the end of the process.
func (g *game) upset(seed uint64) {
	var mu sync.Mutex
	r := rand.New(rand.NewPCG(seed, 1))
	g.halt()
	g.mood = func() error {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(20) == 0 {
			return errUpset
		}
		return nil
	}
	g.start()
}

var errUpset = errors.New("struck by lightning")

// calm ends all faults.
func (g *game) calm() {
	g.halt()
	g.mood = nil
	g.net.full("subnet-b", false)
	g.eng.ComeBack()
	for _, c := range []string{"Create", "Start", "Signal", "Remove", "Pull"} {
		g.eng.LoseAnswers(c, 0)
	}
	g.start()
}

// recall reads until when tasks are protected: by another clock it is another
// moment.
func (g *game) recall() {
	err := g.db.View(g.t.Context(), func(tx store.Tx) error {
		for t, err := range ecs.Tasks.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			if _, ok := g.kept[t.ARN]; ok {
				g.kept[t.ARN] = t.ProtectedUntil
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// unprotect ends all protection.
func (g *game) unprotect() {
	for task := range g.kept {
		g.protect(task, false)
	}
}

func (g *game) protect(task string, on bool) {
	out, err := g.api.UpdateTaskProtection(g.t.Context(), &sdk.UpdateTaskProtectionInput{
		Cluster: aws.String("default"), Tasks: []string{task}, ProtectionEnabled: on,
	})
	if err != nil {
		g.t.Fatal(err)
	}
	if delete(g.kept, task); on && len(out.Failures) == 0 {
		g.kept[task] = time.Now().Add(2 * time.Hour)
	}
}

// repair does what a user must when the last version that was deployed doesn't
// work and nothing went back by itself. With the circuit breaker that has ended.
func (g *game) repair() {
	g.after(15 * time.Minute)
	s, d := g.describe(), g.current()
	target, primary := g.image(*d.TargetServiceRevision.Arn), g.image(*s.CurrentServiceRevisions[0].Arn)
	bad := func(image string) bool {
		return slices.ContainsFunc(broken, func(b string) bool { return strings.HasSuffix(image, b) })
	}
	if bad(target) && g.breaker && s.DesiredCount > 0 && !g.blocked(s) && d.Status == types.ServiceDeploymentStatusInProgress {
		g.t.Errorf("the deployment of %s goes on: %+v", target, d.DeploymentCircuitBreaker)
		g.tellEvents(s)
	}
	if d.Rollback != nil && d.Rollback.ServiceRevisionArn != nil && *d.Rollback.ServiceRevisionArn != *s.CurrentServiceRevisions[0].Arn {
		g.t.Errorf("rolled back to %s, and %s runs", *d.Rollback.ServiceRevisionArn, *s.CurrentServiceRevisions[0].Arn)
	}
	if bad(primary) || s.Deployments[0].RolloutState == types.DeploymentRolloutStateFailed {
		g.update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(g.define())})
	}
}

// image is what a revision runs.
func (g *game) image(revision string) string {
	r, err := g.api.DescribeServiceRevisions(g.t.Context(), &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{revision}})
	if err != nil {
		g.t.Fatal(err)
	}
	return *r.ServiceRevisions[0].ContainerImages[0].Image
}

// broken is an image that doesn't work. One that crashes is for games with
// faults only: our balancer takes it for healthy when nobody was there to see
// its end, and then what is healthy falls by its doing.
func (g *game) broken() string {
	n := len(broken)
	if !g.faults {
		n--
	}
	return broken[g.r.IntN(n)]
}

func (g *game) tellEvents(s types.Service) {
	for _, e := range s.Events[:min(10, len(s.Events))] {
		g.t.Log(e.CreatedAt, *e.Message)
	}
}

// stopDeployment stops what is being deployed, in one of two ways.
func (g *game) stopDeployment() {
	in := &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: g.describe().CurrentServiceDeployment}
	if g.r.IntN(3) == 0 {
		in.StopType = types.StopServiceDeploymentStopTypeAbort
	}
	_, err := g.api.StopServiceDeployment(g.t.Context(), in)
	if _, over := errors.AsType[*types.ConflictException](err); err != nil && !over {
		g.t.Fatal(err)
	}
}

// blocked says whether the bounds let nothing be replaced.
func (g *game) blocked(s types.Service) bool {
	return s.DesiredCount > 0 && (s.DesiredCount*g.low+99)/100 >= s.DesiredCount*g.high/100
}

// unblock does what a user must where the bounds let nothing be replaced, once
// the service has said so.
func (g *game) unblock() {
	s := g.describe()
	if !g.blocked(s) {
		return
	}
	g.after(15 * time.Minute)
	s = g.describe()
	told := slices.ContainsFunc(s.Events, func(e types.ServiceEvent) bool {
		return strings.Contains(*e.Message, "was unable to stop or start tasks during a deployment")
	})
	if len(s.Deployments) > 1 && !told {
		g.t.Errorf("no event says that the deployment is blocked; the last one: %s", *s.Events[0].Message)
	}
	g.update(&sdk.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(0)}})
}

// act is something that a user or fate does.
func (g *game) act() {
	n := 10
	if g.faults {
		n = 17
	}
	switch g.r.IntN(n) - 4 {
	case -4:
		g.update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(g.define(image(g.broken())))})
	case -3:
		g.stopDeployment()
	case -2, -1:
		if tasks := g.tasks(types.DesiredStatusRunning); len(tasks) > 0 {
			task := *tasks[g.r.IntN(len(tasks))].TaskArn
			g.protect(task, g.kept[task].IsZero())
		}
	case 0:
		g.update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(int32(g.r.IntN(5)))})
	case 1:
		g.update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
	case 2:
		g.update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(g.define())})
	case 3, 4:
		g.halt()
		g.after(time.Duration(g.r.IntN(2000)) * time.Millisecond)
		g.start()
	case 5:
		g.halt()
		g.setClock(time.Duration(g.r.IntN(240)-120) * time.Minute)
		g.recall()
		g.start()
	case 6:
		g.eng.Restart()
	case 7:
		g.eng.GoAway()
		g.after(time.Duration(g.r.IntN(3000)) * time.Millisecond)
		g.eng.ComeBack()
	case 8:
		g.eng.LoseAnswers([]string{"Create", "Start", "Signal", "Remove", "Pull"}[g.r.IntN(5)], 1+g.r.IntN(3))
	default:
		if tasks := g.tasks(types.DesiredStatusRunning); len(tasks) > 0 {
			g.harm(tasks[g.r.IntN(len(tasks))])
		}
	}
}

// harm ends a task in one of many ways.
func (g *game) harm(t types.Task) {
	id := strings.Split(*t.TaskArn, "/")[2]
	switch g.r.IntN(5) {
	case 0:
		_ = g.eng.Exit(id, "web", g.r.IntN(3)) // it may not run yet
	case 1:
		_ = g.eng.RunOutOfMemory(id, "web")
	case 2:
		_ = g.eng.Remove(context.Background(), id)
	case 3:
		g.eng.Restart()
	case 4:
		if _, err := g.api.StopTask(g.t.Context(), &sdk.StopTaskInput{Task: t.TaskArn}); err != nil {
			g.t.Fatal(err)
		}
	}
}

// check compares what is true now with what was a quarter of a second ago.
func (g *game) check() {
	g.t.Helper()
	var now sample
	var low, high int
	stopped := map[string]ecs.Task{}
	err := g.db.View(g.t.Context(), func(tx store.Tx) error {
		s, err := ecs.Services.Get(tx, "default/web")
		if err != nil {
			return err
		}
		low, high = s.Bounds()
		live, err := ecs.Tasks.By(tx, "live", s.Key())
		for _, t := range live {
			if t.Desired != ecs.Running {
				stopped[t.ARN] = t
				continue
			}
			now.alive++
			if state, _, _ := g.lb.state("tg", t.ENI.Addr, 8080); t.Status == ecs.Running && state == "healthy" {
				now.healthy++
			}
		}
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	for arn, until := range g.kept {
		if t, ok := stopped[arn]; ok && t.StopAt.Before(until) && t.StopCode == types.TaskStopCodeServiceSchedulerInitiated {
			g.t.Fatalf("the protected task %s was stopped: %s", t.ID, t.Reason)
		} else if ok {
			delete(g.kept, arn)
		}
	}
	if now.alive > high && now.alive > g.before.alive {
		g.t.Fatalf("%d tasks, were %d, at most %d are allowed", now.alive, g.before.alive, high)
	}
	if !g.faults && now.healthy < low && now.healthy < g.before.healthy {
		g.tellEvents(g.describe())
		g.t.Fatalf("%d healthy, were %d, at least %d are wanted", now.healthy, g.before.healthy, low)
	}
	g.before = now
}

// settle waits until the service is what is wanted of it, and then a minute in
// which it must stay so; a quarter of an hour at most, for back-off holds tasks back.
func (g *game) settle() {
	for range 45 {
		g.after(20 * time.Second)
		s := g.describe()
		if len(s.Deployments) == 1 && s.RunningCount == s.DesiredCount && s.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted {
			break
		}
	}
	g.after(time.Minute)
}

// end waits for the end and looks for what should not be there.
func (g *game) end() {
	g.t.Helper()
	g.settle()
	s := g.describe()
	n := int(s.DesiredCount)
	if len(s.Deployments) != 1 || int(s.RunningCount) != n || s.PendingCount != 0 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
		for _, d := range s.Deployments {
			g.t.Logf("deployment %s of %s: %s, %d running", *d.Id, *d.TaskDefinition, d.RolloutState, d.RunningCount)
		}
		g.tellEvents(s)
		g.t.Fatalf("the end: %d of %d run, %d pending, %d deployments", s.RunningCount, n, s.PendingCount, len(s.Deployments))
	}
	if there, err := g.eng.List(g.t.Context()); err != nil || len(there) != n {
		g.t.Errorf("the engine has %d tasks, want %d: %v", len(there), n, err)
	}
	for range 30 { // subnets that had no addresses are tried again after some minutes
		if in := zones(g.tasks(types.DesiredStatusRunning)); in["a"]-in["b"] < 2 && in["b"]-in["a"] < 2 {
			break
		}
		g.after(time.Minute)
	}
	if in := zones(g.tasks(types.DesiredStatusRunning)); n*int(g.high)/100 > n && (in["a"]-in["b"] > 1 || in["b"]-in["a"] > 1) {
		g.tellEvents(s)
		g.t.Errorf("zones are uneven: %v", in)
	}
	if len(g.net.ids) != n {
		g.t.Errorf("%d interfaces, want %d", len(g.net.ids), n)
	}
	if in := g.lb.registered(); in != n {
		g.t.Errorf("%d targets, want %d", in, n)
	}
	err := g.db.View(g.t.Context(), func(tx store.Tx) error {
		for t, err := range ecs.Tasks.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			if t.TaskDefinition != *s.TaskDefinition && t.Desired == ecs.Running || t.Desired != ecs.Running && t.Status != ecs.Stopped {
				g.t.Errorf("task %s is %s, wanted %s, of %s", t.ID, t.Status, t.Desired, t.TaskDefinition)
			}
		}
		return nil
	})
	if err != nil {
		g.t.Fatal(err)
	}
}

// moody is a store whose answers mood spoils.
type moody struct {
	store.DB
	mood func() error
}

func (m moody) Update(ctx context.Context, f func(store.Tx) error) error {
	if err := m.mood(); err != nil {
		return err
	}
	if err := m.DB.Update(ctx, f); err != nil {
		return err
	}
	return m.mood()
}
