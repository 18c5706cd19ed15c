package ecs_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	rand "math/rand/v2"
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
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
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
			ecstest.Play(t, fake.Config{
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
			}, func(w *ecstest.World) { (&game{World: w, r: r, faults: seed%2 == 1}).play() })
		})
	}
}

// game is one game of TestChaos.
type game struct {
	*ecstest.World
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
	g.Define()
	g.Service(int32(1+g.r.IntN(4)), ecstest.Balanced, breaker(true), func(in *sdk.CreateServiceInput) {
		c := in.DeploymentConfiguration
		c.MinimumHealthyPercent, c.MaximumPercent, c.DeploymentCircuitBreaker.Enable = &g.low, &g.high, g.breaker
	})
	g.upset(g.r.Uint64())
	for range 120 {
		g.After(250 * time.Millisecond)
		g.check()
		if g.faults && g.r.IntN(20) == 0 {
			g.Network.Full("subnet-b", g.r.IntN(2) == 0)
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
	g.Halt()
	g.Mood = func() error {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(20) == 0 {
			return errUpset
		}
		return nil
	}
	g.Start()
}

var errUpset = errors.New("struck by lightning")

// calm ends all faults.
func (g *game) calm() {
	g.Halt()
	g.Mood = nil
	g.Network.Full("subnet-b", false)
	g.Engine.ComeBack()
	for _, c := range []string{"Create", "Start", "Signal", "Remove", "Pull"} {
		g.Engine.LoseAnswers(c, 0)
	}
	g.Start()
}

// recall reads until when tasks are protected: by another clock it is another
// moment.
func (g *game) recall() {
	err := g.DB.View(g.T.Context(), func(tx store.Tx) error {
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
		g.T.Fatal(err)
	}
}

// unprotect ends all protection.
func (g *game) unprotect() {
	for task := range g.kept {
		g.protect(task, false)
	}
}

func (g *game) protect(task string, on bool) {
	out, err := g.API.UpdateTaskProtection(g.T.Context(), &sdk.UpdateTaskProtectionInput{
		Cluster: aws.String("default"), Tasks: []string{task}, ProtectionEnabled: on,
	})
	if err != nil {
		g.T.Fatal(err)
	}
	if delete(g.kept, task); on && len(out.Failures) == 0 {
		g.kept[task] = time.Now().Add(2 * time.Hour)
	}
}

// repair does what a user must when the last version that was deployed doesn't
// work and nothing went back by itself. With the circuit breaker that has ended.
func (g *game) repair() {
	g.After(15 * time.Minute)
	s, d := g.Describe(), g.Current()
	target, primary := g.image(*d.TargetServiceRevision.Arn), g.image(*s.CurrentServiceRevisions[0].Arn)
	bad := func(image string) bool {
		return slices.ContainsFunc(broken, func(b string) bool { return strings.HasSuffix(image, b) })
	}
	if bad(target) && g.breaker && s.DesiredCount > 0 && !g.blocked(s) && d.Status == types.ServiceDeploymentStatusInProgress {
		g.T.Errorf("the deployment of %s goes on: %+v", target, d.DeploymentCircuitBreaker)
		g.tellEvents(s)
	}
	if d.Rollback != nil && d.Rollback.ServiceRevisionArn != nil && *d.Rollback.ServiceRevisionArn != *s.CurrentServiceRevisions[0].Arn {
		g.T.Errorf("rolled back to %s, and %s runs", *d.Rollback.ServiceRevisionArn, *s.CurrentServiceRevisions[0].Arn)
	}
	if bad(primary) || s.Deployments[0].RolloutState == types.DeploymentRolloutStateFailed {
		g.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(g.Define())})
	}
}

// image is what a revision runs.
func (g *game) image(revision string) string {
	r, err := g.API.DescribeServiceRevisions(g.T.Context(), &sdk.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{revision}})
	if err != nil {
		g.T.Fatal(err)
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
		g.T.Log(e.CreatedAt, *e.Message)
	}
}

// stopDeployment stops what is being deployed, in one of two ways.
func (g *game) stopDeployment() {
	in := &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: g.Describe().CurrentServiceDeployment}
	if g.r.IntN(3) == 0 {
		in.StopType = types.StopServiceDeploymentStopTypeAbort
	}
	_, err := g.API.StopServiceDeployment(g.T.Context(), in)
	if _, over := errors.AsType[*types.ConflictException](err); err != nil && !over {
		g.T.Fatal(err)
	}
}

// blocked says whether the bounds let nothing be replaced.
func (g *game) blocked(s types.Service) bool {
	return s.DesiredCount > 0 && (s.DesiredCount*g.low+99)/100 >= s.DesiredCount*g.high/100
}

// unblock does what a user must where the bounds let nothing be replaced, once
// the service has said so.
func (g *game) unblock() {
	s := g.Describe()
	if !g.blocked(s) {
		return
	}
	g.After(15 * time.Minute)
	s = g.Describe()
	told := slices.ContainsFunc(s.Events, func(e types.ServiceEvent) bool {
		return strings.Contains(*e.Message, "was unable to stop or start tasks during a deployment")
	})
	if len(s.Deployments) > 1 && !told {
		g.T.Errorf("no event says that the deployment is blocked; the last one: %s", *s.Events[0].Message)
	}
	g.Update(&sdk.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(0)}})
}

// act is something that a user or fate does.
func (g *game) act() {
	n := 10
	if g.faults {
		n = 17
	}
	switch g.r.IntN(n) - 4 {
	case -4:
		g.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(g.Define(image(g.broken())))})
	case -3:
		g.stopDeployment()
	case -2, -1:
		if tasks := g.Tasks(types.DesiredStatusRunning); len(tasks) > 0 {
			task := *tasks[g.r.IntN(len(tasks))].TaskArn
			g.protect(task, g.kept[task].IsZero())
		}
	case 0:
		g.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(int32(g.r.IntN(5)))})
	case 1:
		g.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
	case 2:
		g.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String(g.Define())})
	case 3, 4:
		g.Halt()
		g.After(time.Duration(g.r.IntN(2000)) * time.Millisecond)
		g.Start()
	case 5:
		g.Halt()
		g.SetClock(time.Duration(g.r.IntN(240)-120) * time.Minute)
		g.recall()
		g.Start()
	case 6:
		g.Engine.Restart()
	case 7:
		g.Engine.GoAway()
		g.After(time.Duration(g.r.IntN(3000)) * time.Millisecond)
		g.Engine.ComeBack()
	case 8:
		g.Engine.LoseAnswers([]string{"Create", "Start", "Signal", "Remove", "Pull"}[g.r.IntN(5)], 1+g.r.IntN(3))
	default:
		if tasks := g.Tasks(types.DesiredStatusRunning); len(tasks) > 0 {
			g.harm(tasks[g.r.IntN(len(tasks))])
		}
	}
}

// harm ends a task in one of many ways.
func (g *game) harm(t types.Task) {
	id := strings.Split(*t.TaskArn, "/")[2]
	switch g.r.IntN(5) {
	case 0:
		_ = g.Engine.Exit(id, "web", g.r.IntN(3)) // it may not run yet
	case 1:
		_ = g.Engine.RunOutOfMemory(id, "web")
	case 2:
		_ = g.Engine.Remove(context.Background(), id)
	case 3:
		g.Engine.Restart()
	case 4:
		if _, err := g.API.StopTask(g.T.Context(), &sdk.StopTaskInput{Task: t.TaskArn}); err != nil {
			g.T.Fatal(err)
		}
	}
}

// check compares what is true now with what was a quarter of a second ago.
func (g *game) check() {
	g.T.Helper()
	var now sample
	var low, high int
	stopped := map[string]ecs.Task{}
	err := g.DB.View(g.T.Context(), func(tx store.Tx) error {
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
			if state, _, _ := g.Balancing.State("tg", t.ENI.Addr, 8080); t.Status == ecs.Running && state == "healthy" {
				now.healthy++
			}
		}
		return err
	})
	if err != nil {
		g.T.Fatal(err)
	}
	for arn, until := range g.kept {
		if t, ok := stopped[arn]; ok && t.StopAt.Before(until) && t.StopCode == types.TaskStopCodeServiceSchedulerInitiated {
			g.T.Fatalf("the protected task %s was stopped: %s", t.ID, t.Reason)
		} else if ok {
			delete(g.kept, arn)
		}
	}
	if now.alive > high && now.alive > g.before.alive {
		g.T.Fatalf("%d tasks, were %d, at most %d are allowed", now.alive, g.before.alive, high)
	}
	if !g.faults && now.healthy < low && now.healthy < g.before.healthy {
		g.tellEvents(g.Describe())
		g.T.Fatalf("%d healthy, were %d, at least %d are wanted", now.healthy, g.before.healthy, low)
	}
	g.before = now
}

// settle waits until the service is what is wanted of it, and then a minute in
// which it must stay so; a quarter of an hour at most, for back-off holds tasks back.
func (g *game) settle() {
	for range 45 {
		g.After(20 * time.Second)
		s := g.Describe()
		if len(s.Deployments) == 1 && s.RunningCount == s.DesiredCount && s.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted {
			break
		}
	}
	g.After(time.Minute)
}

// end waits for the end and looks for what should not be there.
func (g *game) end() {
	g.T.Helper()
	g.settle()
	s := g.Describe()
	n := int(s.DesiredCount)
	if len(s.Deployments) != 1 || int(s.RunningCount) != n || s.PendingCount != 0 || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted {
		for _, d := range s.Deployments {
			g.T.Logf("deployment %s of %s: %s, %d running", *d.Id, *d.TaskDefinition, d.RolloutState, d.RunningCount)
		}
		g.tellEvents(s)
		g.T.Fatalf("the end: %d of %d run, %d pending, %d deployments", s.RunningCount, n, s.PendingCount, len(s.Deployments))
	}
	if there, err := g.Engine.List(g.T.Context()); err != nil || len(there) != n {
		g.T.Errorf("the engine has %d tasks, want %d: %v", len(there), n, err)
	}
	for range 30 { // subnets that had no addresses are tried again after some minutes
		if in := ecstest.Zones(g.Tasks(types.DesiredStatusRunning)); in["a"]-in["b"] < 2 && in["b"]-in["a"] < 2 {
			break
		}
		g.After(time.Minute)
	}
	if in := ecstest.Zones(g.Tasks(types.DesiredStatusRunning)); n*int(g.high)/100 > n && (in["a"]-in["b"] > 1 || in["b"]-in["a"] > 1) {
		g.tellEvents(s)
		g.T.Errorf("zones are uneven: %v", in)
	}
	if len(g.Network.IDs) != n {
		g.T.Errorf("%d interfaces, want %d", len(g.Network.IDs), n)
	}
	if in := g.Balancing.Registered(); in != n {
		g.T.Errorf("%d targets, want %d", in, n)
	}
	err := g.DB.View(g.T.Context(), func(tx store.Tx) error {
		for t, err := range ecs.Tasks.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			if t.TaskDefinition != *s.TaskDefinition && t.Desired == ecs.Running || t.Desired != ecs.Running && t.Status != ecs.Stopped {
				g.T.Errorf("task %s is %s, wanted %s, of %s", t.ID, t.Status, t.Desired, t.TaskDefinition)
			}
		}
		return nil
	})
	if err != nil {
		g.T.Fatal(err)
	}
}
