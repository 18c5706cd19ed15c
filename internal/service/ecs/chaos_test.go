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
				Pull:    func(string) fake.Pull { return fake.Pull{Time: time.Duration(seed%5) * 700 * time.Millisecond} },
				Behave: func(engine.Container) fake.Behaviour {
					return fake.Behaviour{TermTime: time.Duration(seed%3) * time.Second, StartTime: time.Duration(seed%4) * 100 * time.Millisecond}
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
	low, high int32
	before    sample
}

type sample struct{ healthy, alive int }

func (g *game) play() {
	g.low, g.high = [...]int32{100, 50, 0}[g.r.IntN(3)], [...]int32{200, 150, 134}[g.r.IntN(3)]
	g.define()
	g.service(int32(1+g.r.IntN(4)), balanced, func(in *sdk.CreateServiceInput) {
		in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: &g.low, MaximumPercent: &g.high}
	})
	g.upset(g.r.Uint64())
	for range 120 {
		g.after(250 * time.Millisecond)
		g.check()
		if g.r.IntN(8) == 0 {
			g.act()
		}
	}
	g.calm()
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
	g.eng.ComeBack()
	for _, c := range []string{"Create", "Start", "Signal", "Remove", "Pull"} {
		g.eng.LoseAnswers(c, 0)
	}
	g.start()
}

// unblock does what a user must where the bounds let nothing be replaced, once
// the service has said so.
func (g *game) unblock() {
	s := g.describe()
	if (s.DesiredCount*g.low+99)/100 < s.DesiredCount*g.high/100 || s.DesiredCount == 0 {
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
	n := 6
	if g.faults {
		n = 13
	}
	switch g.r.IntN(n) {
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

func (g *game) update(in *sdk.UpdateServiceInput) {
	in.Service = aws.String("web")
	if _, err := g.api.UpdateService(g.t.Context(), in); err != nil {
		g.t.Fatal(err)
	}
}

// check compares what is true now with what was a quarter of a second ago.
func (g *game) check() {
	g.t.Helper()
	var now sample
	var low, high int
	err := g.db.View(g.t.Context(), func(tx store.Tx) error {
		s, err := ecs.Services.Get(tx, "default/web")
		if err != nil {
			return err
		}
		low, high = s.Bounds()
		live, err := ecs.Tasks.By(tx, "live", s.Key())
		for _, t := range live {
			if t.Desired != ecs.Running {
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
	if now.alive > high && now.alive > g.before.alive {
		g.t.Fatalf("%d tasks, were %d, at most %d are allowed", now.alive, g.before.alive, high)
	}
	if !g.faults && now.healthy < low && now.healthy < g.before.healthy {
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
		for _, e := range s.Events[:min(10, len(s.Events))] {
			g.t.Log(e.CreatedAt, *e.Message)
		}
		g.t.Fatalf("the end: %d of %d run, %d pending, %d deployments", s.RunningCount, n, s.PendingCount, len(s.Deployments))
	}
	if there, err := g.eng.List(g.t.Context()); err != nil || len(there) != n {
		g.t.Errorf("the engine has %d tasks, want %d: %v", len(there), n, err)
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
