// Package deployments finds why deployments don't get on, or were given up.
package deployments

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Checks are those of this package.
var Checks = []finding.Check{Cramped, Held, Tripped}

// latest is the last deployment that was asked for of a service.
func latest(s *snapshot.Snapshot, svc ecs.Service) (ecs.ServiceDeployment, bool) {
	all := s.Deployments[svc.Key()]
	if len(all) == 0 {
		return ecs.ServiceDeployment{}, false
	}
	return all[len(all)-1], true
}

// active calls f with each active service, and its primary deployment.
func active(s *snapshot.Snapshot, f func(ecs.Service, ecs.Deployment)) {
	for _, svc := range s.Services {
		if svc.Status == ecs.Active {
			f(svc, s.Primaries[svc.Key()])
		}
	}
}

// update is a call that changes a service.
func update(svc ecs.Service, args ...any) finding.Call {
	return finding.NewCall("ecs", "UpdateService", append([]any{"cluster", svc.Cluster, "service", svc.Name}, args...)...)
}

// Held finds deployments that wait for somebody.
var Held = finding.Check{
	Number: 28, Name: "deployment-held", Title: "Task protection or a hook holds the deployment",
	Shows: "The deployment stays IN_PROGRESS, with tasks of both revisions.",
	Known: "Which tasks are protected and until when, and which hook waits for an answer.",
	Mend:  "End the protection, or answer the hook.",
	Find:  held,
}

func held(s *snapshot.Snapshot) (out []finding.Finding) {
	active(s, func(svc ecs.Service, primary ecs.Deployment) {
		if f, ok := protected(s, svc, primary); ok {
			out = append(out, f)
		}
		if f, ok := paused(svc, s); ok {
			out = append(out, f)
		}
	})
	return out
}

// protected finds tasks of older revisions that nobody may stop.
func protected(s *snapshot.Snapshot, svc ecs.Service, primary ecs.Deployment) (finding.Finding, bool) {
	var ids []string
	var until time.Time
	for _, t := range s.Tasks {
		if t.Service == svc.Key() && t.Desired == ecs.Running && t.Deployment != primary.ID && t.Protected(s.Now) {
			ids = append(ids, t.ID)
			if t.ProtectedUntil.After(until) {
				until = t.ProtectedUntil
			}
		}
	}
	if len(ids) == 0 {
		return finding.Finding{}, false
	}
	return finding.Finding{
		Cause: fmt.Sprintf("the deployment of service %s waits for %d protected tasks of an older revision", svc.Name, len(ids)),
		Since: primary.CreatedAt, Level: finding.Limited, About: []string{snapshot.ServiceKey(svc.Key())},
		Evidence: []finding.Evidence{{What: "protection", Says: fmt.Sprintf("task %s is protected until %s", snapshot.Short(ids[0]), until.UTC().Format(time.RFC3339))}},
		Mend:     []finding.Mend{finding.Do("end the protection", finding.NewCall("ecs", "UpdateTaskProtection", "cluster", svc.Cluster, "tasks", ids, "protectionEnabled", false))},
	}, true
}

// paused finds a hook that waits for an answer.
func paused(svc ecs.Service, s *snapshot.Snapshot) (finding.Finding, bool) {
	d, ok := latest(s, svc)
	if !ok || !d.Open() {
		return finding.Finding{}, false
	}
	for _, h := range d.Progress.Shift.Hooks {
		if _, answered := d.Answers[h.ID]; answered || h.Status != types.DeploymentLifecycleHookStatusAwaitingAction {
			continue
		}
		return finding.Finding{
			Cause: fmt.Sprintf("the deployment of service %s waits at its hook before stage %s for an answer, until %s", svc.Name, d.Progress.Shift.Stage, h.ExpiresAt.UTC().Format(time.RFC3339)),
			Since: d.Progress.Shift.Since, Level: finding.Limited, About: []string{snapshot.ServiceKey(svc.Key())},
			Evidence: []finding.Evidence{{What: "hook " + h.ID, Says: fmt.Sprintf("%s; without an answer the deployment then goes on by %s", h.Status, h.OnTimeout)}},
			Mend: []finding.Mend{finding.Do("let it go on", finding.NewCall("ecs", "ContinueServiceDeployment",
				"serviceDeploymentArn", deploymentARN(svc, d), "hookId", h.ID, "action", "CONTINUE"))},
		}, true
	}
	return finding.Finding{}, false
}

// deploymentARN is the ARN of a service deployment.
func deploymentARN(svc ecs.Service, d ecs.ServiceDeployment) string {
	return strings.Replace(svc.ARN, ":service/", ":service-deployment/", 1) + "/" + d.ID
}
