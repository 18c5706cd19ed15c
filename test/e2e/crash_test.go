package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestCrash kills Skylift while nothing is under way: nothing becomes of the
// tasks.
func TestCrash(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	before, there := s.tasks(t), s.containers(t)
	for range 3 {
		load.while(func() {
			s.kill9(t)
			s.restart(t)
		})
		s.answers(t, "shop.test", "site=shop version=1")
	}
	s.stable(t, "shop")
	sameTasks(t, before, s.tasks(t))
	if now := s.containers(t); !slices.Equal(there, now) {
		t.Errorf("containers before %v, after %v", there, now)
	}
	load.lossless(t)
}

// TestCrashInDeployment kills Skylift again and again in the middle of
// deployments: each ends, with exactly the tasks that are to be, and the
// balancer loses a request only while it is dead itself.
func TestCrashInDeployment(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	for i, moment := range []struct {
		name string
		come func(svc ecstypes.Service) bool
	}{
		{"at once", func(ecstypes.Service) bool { return true }},
		{"new tasks pending", func(svc ecstypes.Service) bool { return primary(svc).PendingCount > 0 }},
		{"new tasks running", func(svc ecstypes.Service) bool { return primary(svc).RunningCount > 0 }},
		{"old tasks stopping", func(svc ecstypes.Service) bool { return primary(svc).RunningCount == 2 && svc.RunningCount < 4 }},
	} {
		s.redeploy(t, "shop", fmt.Sprint(i+2))
		waitFor(t, time.Minute, moment.name, func() error {
			svc := s.describe(t, "shop")
			if !moment.come(svc) && len(svc.Deployments) > 1 {
				return fmt.Errorf("%d running, %d pending", svc.RunningCount, svc.PendingCount)
			}
			return nil
		})
		load.while(func() {
			s.kill9(t)
			s.restart(t)
		})
		s.stable(t, "shop")
		s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", i+2))
		s.exactly(t, 2)
	}
	load.lossless(t)
}

func primary(svc ecstypes.Service) ecstypes.Deployment {
	i := slices.IndexFunc(svc.Deployments, func(d ecstypes.Deployment) bool { return *d.Status == "PRIMARY" })
	return svc.Deployments[i]
}

// describe describes a service of cluster "default".
func (s *skylift) describe(t *testing.T, name string) ecstypes.Service {
	t.Helper()
	return must(s.clients().ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{name}}))(t).Services[0]
}
