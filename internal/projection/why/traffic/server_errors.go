package traffic

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// ServerErrors finds balancers that answered 502, 503 or 504 of late.
var ServerErrors = finding.Check{
	Number: 34, Name: "server-errors", Title: "The balancer answers 502, 503 or 504",
	Shows: "Clients see Bad Gateway, Service Unavailable or Gateway Timeout.",
	Known: "What the balancer counted in the last minutes: its own answers by code, and for each target connections that were refused and requests that failed.",
	Mend:  "502: the target closed or reset the connection. 503: no target is there. 504: the target took longer than the idle timeout.",
	Find:  serverErrors,
}

var means = map[int]string{
	502: "a target refused the connection, or closed it before it had answered",
	503: "there was no target",
	504: "a target took too long",
}

func serverErrors(s *snapshot.Snapshot) (out []finding.Finding) {
	by := map[string]map[int]uint64{}
	for _, b := range s.Recent.Balancers {
		for code := range means {
			if n := b.ByCode[code]; n > 0 {
				if by[b.Balancer] == nil {
					by[b.Balancer] = map[int]uint64{}
				}
				by[b.Balancer][code] += n
			}
		}
	}
	for _, b := range s.Balancers {
		for _, code := range []int{502, 503, 504} {
			if n := by[b.ARN][code]; n > 0 {
				f := finding.Finding{
					Cause: fmt.Sprintf("load balancer %s answered %d with %d in the last %s: %s", b.Name, n, code, s.RecentFor.Round(time.Minute), means[code]),
					Level: finding.Limited, About: []string{snapshot.BalancerKey(b.ARN)},
				}
				worst(s, b.ARN, &f)
				f.Mend = mend(code, b.ARN)
				out = append(out, f)
			}
		}
	}
	return out
}

// worst adds the targets that failed most.
func worst(s *snapshot.Snapshot, balancer string, f *finding.Finding) {
	type at struct {
		meter.TargetCounts
		pool string
	}
	var all []at
	for _, p := range s.Recent.Pools {
		for _, t := range p.Targets {
			if p.Balancer == balancer && t.Failed+t.Refused > 0 {
				all = append(all, at{t, p.Pool})
			}
		}
	}
	slices.SortFunc(all, func(a, b at) int { return cmp.Compare(b.Failed+b.Refused, a.Failed+a.Refused) })
	for _, t := range all[:min(3, len(all))] {
		g, _ := s.TargetGroup(t.pool)
		says := []string{fmt.Sprintf("%d of %d requests failed", t.Failed, t.Requests)}
		if t.Refused > 0 {
			says = append(says, fmt.Sprintf("%d connections were refused", t.Refused))
		}
		f.Evidence = append(f.Evidence, finding.Evidence{What: fmt.Sprintf("target %s of %s", t.Target, g.Name), Says: strings.Join(says, ", ")})
		f.About = append(f.About, snapshot.PoolKey(t.pool))
		if task, ok := s.TaskAt(t.Target.Addr()); ok {
			f.About = append(f.About, snapshot.TaskKey(task), snapshot.ServiceKey(task.Service))
		}
	}
	if len(all) == 0 {
		f.Evidence = []finding.Evidence{{What: "targets", Says: "none was asked"}}
	}
}

func mend(code int, balancer string) []finding.Mend {
	switch code {
	case 502:
		return []finding.Mend{finding.Change("let the app keep idle connections open for longer than the balancer's idle timeout, and finish its requests before it ends on SIGTERM")}
	case 503:
		return []finding.Mend{finding.Change("start tasks that are targets: skylift why of the target group's service tells why there is none")}
	}
	return []finding.Mend{
		finding.Do("wait longer for answers", finding.NewCall("elbv2", "ModifyLoadBalancerAttributes", "LoadBalancerArn", balancer,
			"Attributes", []any{map[string]string{"Key": "idle_timeout.timeout_seconds", "Value": "120"}})),
		finding.Change("or find out what the app waits for"),
	}
}

// Uneven finds target groups in which one target gets most requests.
var Uneven = finding.Check{
	Number: 35, Name: "uneven-load", Title: "Sticky sessions send most requests to one target",
	Shows: "One task is busy while the others idle.",
	Known: "The requests to each target in the last minutes, and the stickiness of the group.",
	Mend:  "Turn stickiness off, or shorten it.",
	Find:  uneven,
}

// enough is how many requests say something about how they are spread.
const enough = 100

func uneven(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, p := range s.Recent.Pools {
		g, known := s.TargetGroup(p.Pool)
		var all, most uint64
		n := uint64(0)
		for _, t := range p.Targets {
			if t.State == "healthy" {
				all, most, n = all+t.Requests, max(most, t.Requests), n+1
			}
		}
		if !known || g.Attributes["stickiness.enabled"] != "true" || n < 2 || all < enough || 2*most*n < 3*all {
			continue
		}
		out = append(out, finding.Finding{
			Cause: fmt.Sprintf("one of the %d targets of %s gets %d %% of the requests, because its clients stay with it", n, g.Name, 100*most/all),
			Level: finding.Warned, About: []string{snapshot.PoolKey(g.ARN)},
			Evidence: []finding.Evidence{{What: "requests", Says: fmt.Sprintf("%d of %d in the last %s", most, all, s.RecentFor.Round(time.Minute))}, {What: "attribute", Says: "stickiness.enabled is true"}},
			Mend: []finding.Mend{finding.Do("let requests go to any target", finding.NewCall("elbv2", "ModifyTargetGroupAttributes", "TargetGroupArn", g.ARN,
				"Attributes", []any{map[string]string{"Key": "stickiness.enabled", "Value": "false"}}))},
		})
	}
	return out
}
