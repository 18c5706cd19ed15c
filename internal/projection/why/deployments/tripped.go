package deployments

import (
	"cmp"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Tripped finds deployments that were given up.
var Tripped = finding.Check{
	Number: 29, Name: "deployment-failed", Title: "The circuit breaker gave the deployment up",
	Shows: "The service runs its old revision again: \"deployment circuit breaker: tasks failed to start\".",
	Known: "The deployment's own reason, and why its last task failed.",
	Mend:  "Mend what the failed task says, and deploy again.",
	Find:  tripped,
}

// remembered is for how long a deployment that failed is told of.
const remembered = 24 * time.Hour

func tripped(s *snapshot.Snapshot) (out []finding.Finding) {
	active(s, func(svc ecs.Service, _ ecs.Deployment) {
		d, ok := latest(s, svc)
		p := d.Progress
		if !ok || !p.Tripped && !failed[p.Status] || s.Now.Sub(cmp.Or(p.FinishedAt, s.Now)) > remembered {
			return
		}
		revision := s.Revisions[svc.Key()+"/"+d.Target].TaskDefinition
		f := finding.Finding{
			Cause: fmt.Sprintf("the deployment of %s to service %s was given up after %d tasks of it had failed", snapshot.Revision(revision), svc.Name, p.Failures),
			Since: cmp.Or(p.StoppedAt, p.FinishedAt), Level: finding.Limited, About: []string{snapshot.ServiceKey(svc.Key())},
			Evidence: []finding.Evidence{{What: "deployment " + d.ID, Says: fmt.Sprintf("%s: %s", p.Status, p.Reason)}},
			Mend:     []finding.Mend{finding.Change("mend what its tasks failed for, then deploy again")},
		}
		if p.Rollback != nil && p.Rollback.Revision != "" {
			back := s.Revisions[svc.Key()+"/"+p.Rollback.Revision].TaskDefinition
			f.Cause += fmt.Sprintf(", and rolled back to %s", snapshot.Revision(back))
			f.Level = finding.Warned
		}
		if t, found := lastFailed(s, svc, d); found {
			f.Evidence = append(f.Evidence, finding.Evidence{What: "task " + snapshot.Short(t.ID), Says: t.Ending()})
			f.About = append(f.About, snapshot.TaskKey(t))
		}
		out = append(out, f)
	})
	return out
}

var failed = map[types.ServiceDeploymentStatus]bool{
	types.ServiceDeploymentStatusRollbackInProgress: true, types.ServiceDeploymentStatusRollbackSuccessful: true, types.ServiceDeploymentStatusRollbackFailed: true,
}

// lastFailed is the task of a deployment's target that failed last.
func lastFailed(s *snapshot.Snapshot, svc ecs.Service, d ecs.ServiceDeployment) (ecs.Task, bool) {
	for _, t := range snapshot.Newest(s.Tasks) {
		if t.Service == svc.Key() && t.Deployment == ecs.DeploymentID(d.Target) && t.Failed() {
			return t, true
		}
	}
	return ecs.Task{}, false
}
