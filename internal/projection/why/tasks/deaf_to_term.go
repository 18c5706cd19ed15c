package tasks

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// DeafToTerm finds apps that don't end when they are told to.
var DeafToTerm = finding.Check{
	Number: 26, Name: "deaf-to-term", Title: "The app ignores SIGTERM",
	Shows: "Deployments are slow: each old task takes its whole stopTimeout, and ends with exit code 137.",
	Known: "When the container was sent SIGTERM, when it ended, and with which code.",
	Mend:  "Let the app end on SIGTERM. A shell as process 1 doesn't pass it on: write exec before the command, or set initProcessEnabled.",
	Find:  deafToTerm,
}

const (
	killed      = 137 // 128 + SIGKILL
	termTimeout = 30 * time.Second
)

func deafToTerm(s *snapshot.Snapshot) (out []finding.Finding) {
	said := map[string]bool{}
	for _, t := range snapshot.Newest(s.Tasks) {
		for _, c := range t.Containers {
			same := t.Service + "/" + c.Name
			if t.Status != ecs.Stopped || said[same] || !deaf(s, t, c) {
				continue
			}
			said[same] = true
			f := failure{t, &c, s.Remains(t, c.Name)}
			is := f.finding(s, "term/"+c.Name, fmt.Sprintf("%s didn't end when it was told to by SIGTERM, and was killed after %s", f.who(), t.ExecutionStopped.Sub(c.TermAt).Round(100*time.Millisecond)))
			is.Level = finding.Warned
			svc, ok := s.ServiceOf(t)
			is.Over = !ok || svc.Status == ecs.Inactive || s.Primaries[svc.Key()].TaskDefinition != t.TaskDefinition
			is.Mend = []finding.Mend{finding.Change("let the app end on SIGTERM. A shell as the first process doesn't pass it on: write exec before its command in the entry point, or set linuxParameters.initProcessEnabled")}
			out = append(out, is)
		}
	}
	return out
}

// deaf says that the container was killed after it had had all its time.
func deaf(s *snapshot.Snapshot, t ecs.Task, c ecs.Container) bool {
	if c.TermAt.IsZero() || c.ExitCode == nil || *c.ExitCode != killed || s.Remains(t, c.Name).OOM {
		return false
	}
	timeout := termTimeout
	if d, ok := s.Definition(t, c.Name); ok && d.StopTimeout != nil {
		timeout = time.Duration(aws.ToInt32(d.StopTimeout)) * time.Second
	}
	return t.ExecutionStopped.Sub(c.TermAt) >= timeout-time.Second
}
