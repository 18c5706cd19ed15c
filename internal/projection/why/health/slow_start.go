package health

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// SlowStart finds tasks that were stopped while they were still starting.
var SlowStart = finding.Check{
	Number: 10, Name: "slow-start", Title: "The app starts slower than its grace period",
	Shows: "Tasks are replaced before they ever got healthy: \"Task failed ELB health checks\".",
	Known: "How long the task had run when it was stopped, whether anything of it listened by then, and how long tasks of the same service took that got healthy.",
	Mend:  "Give the service a longer healthCheckGracePeriodSeconds.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, slowStart) },
}

// slowest is after how long a start without an open port is no start any more, but an app that doesn't listen.
const slowest = 5 * time.Minute

func slowStart(s *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	svc, ok := s.ServiceOf(i.task)
	if !ok || !i.over || !i.refused() || i.listensOn(i.addr.Port()) || len(i.open()) > 0 {
		return finding.Finding{}, false
	}
	ran := i.task.StopAt.Sub(i.task.StartedAt)
	if ran > slowest {
		return finding.Finding{}, false
	}
	grace := aws.ToInt32(svc.HealthCheckGracePeriod)
	f := i.finding(fmt.Sprintf("a task of %s was stopped %s after its start, when nothing of it listened yet; its grace period is %d s", i.who(), took(ran), grace))
	want := int32(2*ran.Seconds()) + 30
	f.Possible = true
	if needed := startsIn(s, svc); needed > 0 {
		f.Possible = false
		want = int32(1.5*needed.Seconds()) + 10
		f.Evidence = append(f.Evidence, finding.Evidence{What: "earlier starts", Says: fmt.Sprintf("a task of the service that got healthy took %s", took(needed))})
		if time.Duration(grace)*time.Second > needed {
			return finding.Finding{}, false
		}
	}
	f.Mend = []finding.Mend{finding.Do("give it longer", finding.NewCall("ecs", "UpdateService", "cluster", svc.Cluster, "service", svc.Name, "healthCheckGracePeriodSeconds", want))}
	return f, true
}

// startsIn is the longest time that a task of the service, which is healthy now, took to get so.
func startsIn(s *snapshot.Snapshot, svc ecs.Service) (longest time.Duration) {
	for _, t := range s.Tasks {
		if t.Service != svc.Key() || t.StartedAt.IsZero() {
			continue
		}
		for _, l := range t.LoadBalancers {
			h := s.Health[elbv2.TargetKey(l.TargetGroup, t.ENI.Addr.String(), l.ContainerPort)]
			if h.State == elbv2.StateHealthy {
				longest = max(longest, h.Since.Sub(t.StartedAt))
			}
		}
	}
	return longest
}
