package deployments

import (
	"fmt"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Cramped finds deployments whose percentages let nothing be started or stopped.
var Cramped = finding.Check{
	Number: 27, Name: "no-room-to-move", Title: "The percentages leave the deployment no room to move",
	Shows: "\"was unable to stop or start tasks during a deployment because of the service deployment configuration\".",
	Known: "How many tasks minimumHealthyPercent and maximumPercent make of the desired count.",
	Mend:  "Raise maximumPercent, or lower minimumHealthyPercent.",
	Find:  cramped,
}

func cramped(s *snapshot.Snapshot) (out []finding.Finding) {
	active(s, func(svc ecs.Service, primary ecs.Deployment) {
		if !primary.Rollout.Blocked {
			return
		}
		low, high := svc.Bounds()
		out = append(out, finding.Finding{
			Cause: fmt.Sprintf("the deployment of service %s can neither start nor stop a task: at least %d and at most %d may run, of %d", svc.Name, low, high, svc.Desired),
			Since: primary.Rollout.UpdatedAt, Level: finding.Limited, About: []string{snapshot.ServiceKey(svc.Key())},
			Evidence: []finding.Evidence{{What: "deployment configuration", Says: fmt.Sprintf("minimumHealthyPercent %d, maximumPercent %d, desiredCount %d", svc.MinimumHealthyPercent, svc.MaximumPercent, svc.Desired)}},
			Mend:     []finding.Mend{finding.Do("let new tasks run beside the old ones", update(svc, "deploymentConfiguration", map[string]int32{"maximumPercent": 200, "minimumHealthyPercent": svc.MinimumHealthyPercent}))},
		})
	})
	return out
}
