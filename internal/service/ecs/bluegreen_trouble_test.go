package ecs_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// guarded is a strategy with the circuit breaker. It need not ask for the
// rollback: there is no way to stay between two revisions.
func guarded(c types.DeploymentConfiguration) types.DeploymentConfiguration {
	c.DeploymentCircuitBreaker = &types.DeploymentCircuitBreaker{Enable: true}
	return c
}

var canary = types.DeploymentConfiguration{
	Strategy: types.DeploymentStrategyCanary, BakeTimeInMinutes: aws.Int32(5),
	CanaryConfiguration: &types.CanaryConfiguration{CanaryPercent: aws.Float64(20), CanaryBakeTimeInMinutes: aws.Int32(5)},
}

// TestBlueGreenTrouble has a canary deployment go wrong in many ways. Blue
// never stops serving, and has all traffic at the end.
func TestBlueGreenTrouble(t *testing.T) {
	const back = "0:100 0:100 tasks 2/2 0/0 CLEAN_UP ROLLBACK_SUCCESSFUL"
	tests := []struct {
		name    string
		version string                 // of the image
		then    func(w *ecstest.World) // once green serves its part
		reason  string
	}{
		{"an image that isn't there", "missing", nil, "the circuit breaker threshold was exceeded."},
		{"a crash loop", "crash", nil, "the circuit breaker threshold was exceeded."},
		{"green falls ill while it serves", "good", func(w *ecstest.World) {
			w.Balancing.Change(func() {
				w.Balancing.Sick = func(addr netip.Addr) bool { return addr.As4()[3] > 2 } // the first two are blue's
			})
		}, "the tasks of the new service revision are unhealthy."},
		{"the rule goes away", "good", func(w *ecstest.World) {
			w.Balancing.Change(func() { delete(w.Balancing.Rules, ecstest.TestRule) })
			w.Restart()
		}, "invalid networking configuration. One or more rules not found"},
		{"somebody else's target group", "good", func(w *ecstest.World) {
			w.Balancing.Change(func() { w.Balancing.Rules[ecstest.ProductionRule]["tg"] = 5 })
			w.Restart()
		}, "invalid networking configuration. Production listener rule is forwarding traffic to unexpected target group tg."},
		{"the role may change the weights no more", "good", func(w *ecstest.World) {
			w.Balancing.Change(func() { w.Balancing.Deny = "elasticloadbalancing:ModifyRule" })
			w.After(5 * time.Minute) // it is asked when the traffic is to go on
		}, "invalid networking configuration. Unable to assume role and modify the listener rule " + ecstest.ProductionRule},
		{"a user stops it", "good", func(w *ecstest.World) { w.StopDeployment() }, "a user stopped it."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ecstest.Play(t, script, func(w *ecstest.World) {
				w.Define()
				w.Service(2, ecstest.Shifted(guarded(canary)))
				w.After(ecstest.Sec(20))
				w.Define(image(tt.version))
				w.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String("web")})
				if tt.then != nil {
					w.After(ecstest.Sec(20))
					w.At("green has its part", "20:80 100:0 tasks 2/2 2/2 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS")
					tt.then(w)
				}
				w.After(3 * time.Minute)
				if got := w.Traffic(); got != back && !(strings.Contains(tt.name, "rule") && got == strings.Replace(back, "0:100 0:100", "0:100 0:0", 1)) {
					t.Errorf("%s\nwant %s", got, back)
				}
				if got := aws.ToString(w.Current().StatusReason); !strings.HasPrefix(got, "Service deployment rolled back because of "+tt.reason) && !strings.HasPrefix(got, "Service deployment rolled back because "+tt.reason) {
					t.Errorf("the reason: %s\nwant …%s", got, tt.reason)
				}
			})
		})
	}
}

func TestFirstBlueGreenFails(t *testing.T) {
	ecstest.Play(t, script, func(w *ecstest.World) {
		w.Define(image("crash"))
		w.Service(2, ecstest.Shifted(guarded(blueGreen)))
		w.After(2 * time.Minute)
		d := w.Current()
		if d.Status != types.ServiceDeploymentStatusRollbackFailed || *d.StatusReason != "No rollback candidate was found to run the rollback." {
			t.Errorf("the deployment is %s: %s", d.Status, *d.StatusReason)
		}
		w.Define(image("good"))
		w.Update(&sdk.UpdateServiceInput{TaskDefinition: aws.String("web")})
		w.After(ecstest.Sec(60))
		if got := w.Traffic(); !strings.HasPrefix(got, "0:100 0:100") || !strings.HasSuffix(got, "2/2 CLEAN_UP SUCCESSFUL") {
			t.Errorf("the next: %s", got)
		}
	})
}

// An update in the middle takes over: blue has all traffic again, the revision
// in the middle goes, and then the next one comes.
func TestUpdateInTheMiddle(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Shifted(canary))
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(ecstest.Sec(20))
		w.At("the second serves a part", "20:80 100:0 tasks 2/2 2/2 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS")
		second := w.Current()
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(0)
		w.At("the third begins", "0:100 0:100 tasks 2/2 0/0 0/0 RECONCILE_SERVICE IN_PROGRESS")
		w.After(ecstest.Sec(20))
		w.At("and serves a part", "20:80 100:0 tasks 2/2 0/0 2/2 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS")
		if d := w.Deployment(*second.ServiceDeploymentArn); d.Status != types.ServiceDeploymentStatusStopped {
			t.Errorf("the second is %s: %s", d.Status, *d.StatusReason)
		}
		w.StopDeployment()
		w.After(ecstest.Sec(20))
		w.At("back to the first", "0:100 0:100 tasks 2/2 0/0 0/0 CLEAN_UP ROLLBACK_SUCCESSFUL")
	})
}

func TestScaleInTheMiddle(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Shifted(canary))
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(4)})
		w.After(ecstest.Sec(20))
		w.At("both grow", "20:80 100:0 tasks 4/4 4/4 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS")
		w.Update(&sdk.UpdateServiceInput{DesiredCount: aws.Int32(1)})
		w.After(ecstest.Sec(20))
		w.At("both shrink", "20:80 100:0 tasks 1/1 1/1 PRODUCTION_TRAFFIC_SHIFT IN_PROGRESS")
		if s := w.Describe(); len(s.Deployments) != 2 || s.Deployments[0].DesiredCount != 1 || s.Deployments[1].DesiredCount != 1 {
			t.Errorf("the service's deployments: %+v", s.Deployments)
		}
		if _, err := w.API.DeleteService(t.Context(), &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(20))
		if s := w.Describe(); *s.Status != "INACTIVE" || s.RunningCount != 0 {
			t.Errorf("deleted in the middle: %s, %d run", *s.Status, s.RunningCount)
		}
	})
}

func TestStrategies(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, ecstest.Shifted(blueGreen), func(in *sdk.CreateServiceInput) {
			in.DeploymentConfiguration = nil // ROLLING, with what is needed for more
		})
		w.After(ecstest.Sec(20))
		if blue, green := w.Balancing.Serves(ecstest.ProductionRule); blue != 1 || green != 0 || w.Balancing.In("tg-blue") != 2 {
			t.Errorf("ROLLING: weights %d:%d, %d targets in tg-blue", blue, green, w.Balancing.In("tg-blue"))
		}
		w.Update(&sdk.UpdateServiceInput{DeploymentConfiguration: &blueGreen})
		w.After(ecstest.Sec(20))
		if d := w.Current(); *d.ServiceDeploymentArn != *w.Describe().CurrentServiceDeployment || len(d.SourceServiceRevisions) != 0 {
			t.Errorf("another strategy alone starts a deployment: %+v", d)
		}
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		_, err := w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DeploymentConfiguration: &canary})
		if err == nil || !strings.Contains(err.Error(), "cannot be changed while") {
			t.Errorf("another strategy in the middle: %v", err)
		}
		w.After(2 * time.Minute)
		w.At("blue/green", "0:100 0:100 tasks 0/0 2/2 CLEAN_UP SUCCESSFUL")
		rolling := &types.DeploymentConfiguration{Strategy: types.DeploymentStrategyRolling}
		lbs := []types.LoadBalancer{{TargetGroupArn: aws.String("tg-blue"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}}
		_, err = w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DeploymentConfiguration: rolling, LoadBalancers: lbs})
		if err == nil || !strings.Contains(err.Error(), "tg-blue does not serve the production traffic") {
			t.Errorf("rolling into the group that doesn't serve: %v", err)
		}
		w.Update(&sdk.UpdateServiceInput{DeploymentConfiguration: rolling, ForceNewDeployment: true})
		w.After(ecstest.Sec(60))
		if blue, green := w.Balancing.Serves(ecstest.ProductionRule); blue != 0 || green != 100 || w.Balancing.In("tg-green") != 2 || w.Balancing.In("tg-blue") != 0 {
			t.Errorf("ROLLING again: weights %d:%d, %d and %d targets", blue, green, w.Balancing.In("tg-blue"), w.Balancing.In("tg-green"))
		}
	})
}

func TestBlueGreenWithoutBalancer(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2, func(in *sdk.CreateServiceInput) { in.DeploymentConfiguration = &blueGreen })
		w.After(ecstest.Sec(20))
		w.Update(&sdk.UpdateServiceInput{ForceNewDeployment: true})
		w.After(ecstest.Sec(20))
		d := w.Current()
		if d.LifecycleStage != types.ServiceDeploymentLifecycleStageBakeTime || d.TargetServiceRevision.RunningTaskCount != 2 || d.SourceServiceRevisions[0].RunningTaskCount != 2 ||
			d.TargetServiceRevision.RequestedProductionTrafficWeight != nil {
			t.Errorf("while it bakes: %+v", d)
		}
		w.After(ecstest.Sec(60))
		if d := w.Current(); d.Status != types.ServiceDeploymentStatusSuccessful || w.Describe().RunningCount != 2 {
			t.Errorf("the end: %s, %d run", d.Status, w.Describe().RunningCount)
		}
	})
}
