// Package tasks finds why tasks stop, or don't start.
package tasks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Checks are those of this package.
var Checks = []finding.Check{
	OutOfMemory, CrashLoop, BadCommand, NoImage, NoRoom, Unmet, NoLogGroup, NoFiles, NoSecret, NoRole, DiskFull, ReadOnly, PortTaken, DeafToTerm,
}

// current is for how long a failure counts for what is wrong now.
const current = 10 * time.Minute

// failure is a task that failed, and the container that was to blame; nil: none was.
type failure struct {
	task      ecs.Task
	container *ecs.Container
	remains   ecs.Remains
}

// failures returns what failed, the newest first. Of a task all containers count that ended with a reason, or whose end
// was the task's.
func failures(s *snapshot.Snapshot) (all []failure) {
	for _, t := range snapshot.Newest(s.Tasks) {
		if t.Desired != ecs.Stopped || !t.Failed() {
			continue
		}
		found := false
		for i, c := range t.Containers {
			if c.Reason != "" || c.Essential && c.ExitCode != nil && *c.ExitCode != 0 && c.TermAt.IsZero() {
				all = append(all, failure{t, &t.Containers[i], s.Remains(t, c.Name)})
				found = true
			}
		}
		if !found {
			all = append(all, failure{task: t})
		}
	}
	return all
}

// said is all that was said of the end: by the task and by the container.
func (f failure) said() string {
	s := f.task.Reason
	if f.container != nil && !strings.Contains(s, f.container.Reason) {
		s += " " + f.container.Reason
	}
	return s
}

// over says that the failure is past: the service has recovered, or the task was nobody's.
func (f failure) over(s *snapshot.Snapshot) bool {
	svc, ok := s.ServiceOf(f.task)
	if !ok {
		return s.Now.Sub(f.task.StopAt) > current
	}
	stale := s.Primaries[svc.Key()].ID != f.task.Deployment && s.Running(svc) >= int(svc.Desired)
	return svc.Status == ecs.Inactive || svc.Desired == 0 || stale || s.Running(svc) >= int(svc.Desired) && s.Now.Sub(f.task.StopAt) > current
}

// who names what failed, for people.
func (f failure) who() string {
	if f.container == nil {
		return "a task of " + snapshot.Of(f.task)
	}
	return fmt.Sprintf("container %s of %s", f.container.Name, snapshot.Of(f.task))
}

// finding is what all findings of the package have in common. same is equal in findings that have one cause.
func (f failure) finding(s *snapshot.Snapshot, same, cause string) finding.Finding {
	t := f.task
	out := finding.Finding{
		Cause: cause, Since: t.StopAt, Level: finding.Down, Over: f.over(s), Same: t.Service + "/" + same,
		About: []string{snapshot.TaskKey(t), snapshot.ServiceKey(t.Service)},
	}
	if t.Service == "" {
		out.Same = t.ID
	}
	if svc, ok := s.ServiceOf(t); ok && s.Running(svc) > 0 {
		out.Level = finding.Limited
	}
	out.Evidence = []finding.Evidence{{What: "task " + snapshot.Short(t.ID), Says: t.Reason}}
	if c := f.container; c != nil {
		out.About = append(out.About, snapshot.ImageKey(c.Image))
		out.Evidence = append(out.Evidence, f.ends()...)
	}
	return out
}

// ends is what the container's end says.
func (f failure) ends() (out []finding.Evidence) {
	c := f.container
	says := []string{}
	if c.ExitCode != nil {
		says = append(says, fmt.Sprintf("exit code %d", *c.ExitCode))
	}
	if c.Reason != "" {
		says = append(says, c.Reason)
	}
	if len(says) > 0 {
		out = append(out, finding.Evidence{What: "container " + c.Name, Says: strings.Join(says, ": ")})
	}
	if line := worst(f.remains.Lines); line != "" {
		out = append(out, finding.Evidence{What: "output", Says: line})
	}
	return out
}

// worse is what lines look like that say what went wrong.
var worse = regexp.MustCompile(`(?i)\b(error|exception|panic|fatal|traceback|failed|cannot|can't|denied|refused|not found|no such)\b`)

// worst is the first line that says what went wrong, or else the last one.
func worst(lines []string) string {
	if i := slices.IndexFunc(lines, worse.MatchString); i >= 0 {
		return lines[i]
	}
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}

// prints says whether a line of what the container printed last fits.
func (f failure) prints(fits *regexp.Regexp) (string, bool) {
	i := slices.IndexFunc(f.remains.Lines, fits.MatchString)
	if i < 0 {
		return "", false
	}
	return f.remains.Lines[i], true
}

// each makes a finding of each failure that of finds something in.
func each(s *snapshot.Snapshot, of func(*snapshot.Snapshot, failure) (finding.Finding, bool)) (out []finding.Finding) {
	for _, f := range failures(s) {
		if is, ok := of(s, f); ok {
			out = append(out, is)
		}
	}
	return out
}

// again is the call that starts a service's tasks anew, once what kept them from it is mended.
func again(s *snapshot.Snapshot, f failure, say string) []finding.Mend {
	svc, ok := s.ServiceOf(f.task)
	if !ok {
		return nil
	}
	return []finding.Mend{finding.Do(say, finding.NewCall("ecs", "UpdateService", "cluster", svc.Cluster, "service", svc.Name, "forceNewDeployment", true))}
}
