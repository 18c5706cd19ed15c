package ecs_test

import (
	"fmt"
	rand "math/rand/v2"
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

// TestShiftChaos plays minutes of deployments that shift traffic, of users who
// update, stop, continue and scale in the middle of them, and of crashes
// between any two steps of the loops; then the world is kind. At every moment:
// the rule's weights are whole, and whoever gets production traffic has a
// healthy task. At the end: what is wanted, in the target group that serves, and
// nothing else anywhere.
func TestShiftChaos(t *testing.T) {
	t.Parallel()
	for seed := *firstGame; seed < *firstGame+(*games+1)/2; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 11))
			ecstest.Play(t, fake.Config{
				Latency: time.Duration(r.IntN(3)) * 20 * time.Millisecond,
				Behave: func(engine.Container) fake.Behaviour {
					return fake.Behaviour{TermTime: time.Duration(seed%3) * time.Second, StartTime: time.Duration(seed%4) * 100 * time.Millisecond}
				},
			}, func(w *ecstest.World) { (&shiftGame{game{World: w, r: r}, false}).play() })
		})
	}
}

// shiftGame is one game of TestShiftChaos.
type shiftGame struct {
	game
	proven bool // a version has been deployed: from then on something serves
}

func (g *shiftGame) config() types.DeploymentConfiguration {
	c := types.DeploymentConfiguration{
		Strategy:          []types.DeploymentStrategy{"BLUE_GREEN", "LINEAR", "CANARY"}[g.r.IntN(3)],
		BakeTimeInMinutes: aws.Int32(g.r.Int32N(2)),
	}
	switch c.Strategy {
	case "LINEAR":
		c.LinearConfiguration = &types.LinearConfiguration{StepPercent: aws.Float64(float64(30 + g.r.IntN(30))), StepBakeTimeInMinutes: aws.Int32(g.r.Int32N(2))}
	case "CANARY":
		c.CanaryConfiguration = &types.CanaryConfiguration{CanaryPercent: aws.Float64(0.5), CanaryBakeTimeInMinutes: aws.Int32(g.r.Int32N(2))}
	}
	for range g.r.IntN(3) {
		stages := []types.DeploymentLifecycleHookStage{"RECONCILE_SERVICE", "PRE_SCALE_UP", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"}
		c.LifecycleHooks = append(c.LifecycleHooks, types.DeploymentLifecycleHook{
			TargetType: "PAUSE", LifecycleStages: []types.DeploymentLifecycleHookStage{stages[g.r.IntN(len(stages))]},
			TimeoutConfiguration: &types.DeploymentLifecycleHookTimeoutConfiguration{
				TimeoutInMinutes: aws.Int32(1), Action: []types.DeploymentLifecycleHookAction{"CONTINUE", "ROLLBACK"}[g.r.IntN(2)],
			},
		})
	}
	return c
}

func (g *shiftGame) play() {
	g.Define()
	g.Service(int32(1+g.r.IntN(3)), ecstest.Shifted(g.config()))
	g.upset(g.r.Uint64())
	for range 600 {
		g.After(250 * time.Millisecond)
		g.look()
		if g.r.IntN(24) == 0 {
			g.act()
		}
	}
	g.calm()
	g.After(time.Hour)
	g.look()
	g.end()
}

// act is something that a user or fate does.
func (g *shiftGame) act() {
	d := g.Current()
	switch g.r.IntN(6) {
	case 0:
		g.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(1 + g.r.Int32N(3))})
	case 1:
		g.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
	case 2:
		_, _ = g.API.StopServiceDeployment(g.T.Context(), &sdk.StopServiceDeploymentInput{ServiceDeploymentArn: d.ServiceDeploymentArn}) // it may have ended
	case 3, 4:
		for _, h := range d.LifecycleHookDetails {
			_, _ = g.API.ContinueServiceDeployment(g.T.Context(), &sdk.ContinueServiceDeploymentInput{ // it may have been continued
				ServiceDeploymentArn: d.ServiceDeploymentArn, HookId: h.HookId,
				Action: []types.DeploymentLifecycleHookAction{"CONTINUE", "CONTINUE", "ROLLBACK"}[g.r.IntN(3)],
			})
		}
	case 5:
		g.Halt()
		g.After(time.Duration(g.r.IntN(2000)) * time.Millisecond)
		g.Start()
	}
}

// look checks what must be true at every moment.
func (g *shiftGame) look() {
	g.T.Helper()
	blue, green := g.Balancing.Serves(ecstest.ProductionRule)
	if sum := blue + green; sum != 100 && sum != 1000 && !(blue == 1 && green == 0) {
		g.T.Fatalf("weights %d:%d", blue, green)
	}
	d := g.Current()
	g.proven = g.proven || d.Status == types.ServiceDeploymentStatusSuccessful
	if !g.proven {
		return
	}
	for group, weight := range map[string]int32{"tg-blue": blue, "tg-green": green} {
		if weight > 0 && g.Balancing.Healthy(group) == 0 {
			for _, e := range g.Describe().Events[:10] {
				g.T.Log(e.CreatedAt.Format("15:04:05.000"), *e.Message)
			}
			g.T.Fatalf("%s gets %d of %d:%d and has no healthy target: %s", group, weight, blue, green, g.Traffic())
		}
	}
}

// end looks for what should not be there.
func (g *shiftGame) end() {
	g.T.Helper()
	s, d := g.Describe(), g.Current()
	n := int(s.DesiredCount)
	if !g.proven { // the first deployment was refused: bring one that isn't
		g.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true, DeploymentConfiguration: &types.DeploymentConfiguration{LifecycleHooks: []types.DeploymentLifecycleHook{}}})
		g.After(time.Hour)
		s, d = g.Describe(), g.Current()
	}
	blue, green := g.Balancing.Serves(ecstest.ProductionRule)
	serves := map[bool]string{true: "tg-blue", false: "tg-green"}[blue > 0]
	if len(s.Deployments) != 1 || int(s.RunningCount) != n || d.FinishedAt == nil || blue+green != 100 || blue*green != 0 || g.Balancing.In(serves) != n || g.Balancing.Registered() != n {
		for _, e := range s.Events[:min(10, len(s.Events))] {
			g.T.Log(e.CreatedAt.Format("15:04:05.000"), *e.Message)
		}
		g.T.Fatalf("the end: %d of %d run, %d deployments, %d of %d targets in %s, %s: %s", s.RunningCount, n, len(s.Deployments), g.Balancing.In(serves), g.Balancing.Registered(), serves, g.Traffic(), aws.ToString(d.StatusReason))
	}
	if there, err := g.Engine.List(g.T.Context()); err != nil || len(there) != n {
		g.T.Errorf("the engine has %d tasks, want %d: %v", len(there), n, err)
	}
	err := g.DB.View(g.T.Context(), func(tx store.Tx) error {
		open, err := ecs.ServiceDeployments.By(tx, "open", "default/web")
		if len(open) != 0 {
			g.T.Errorf("%d service deployments are still open", len(open))
		}
		return err
	})
	if err != nil {
		g.T.Fatal(err)
	}
}
