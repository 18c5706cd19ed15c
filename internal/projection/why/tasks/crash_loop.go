package tasks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// CrashLoop finds services whose tasks end again and again.
var CrashLoop = finding.Check{
	Number: 14, Name: "crash-loop", Title: "The app ends again and again",
	Shows: "Tasks stop soon after their start: \"Essential container in task exited\".",
	Known: "The exit codes, the first line of output that looks like an error, and what differs from the revision that last worked.",
	Mend:  "Mend what the output says, or go back to the revision that worked.",
	Find:  crashLoop,
}

func crashLoop(s *snapshot.Snapshot) (out []finding.Finding) {
	count := map[string]int{}
	for _, f := range failures(s) {
		if crashed(f) {
			is := looping(s, f)
			count[is.Same]++
			out = append(out, is)
		}
	}
	for i, f := range out {
		if n := count[f.Same]; n > 1 {
			out[i].Evidence = append(out[i].Evidence, finding.Evidence{What: "ends", Says: fmt.Sprintf("%d tasks of the service ended so", n)})
		}
	}
	return out
}

// crashed says that the app ended by itself, and for no reason that another check tells.
func crashed(f failure) bool {
	c := f.container
	if c == nil || f.task.StopCode != types.TaskStopCodeEssentialContainerExited || !c.Essential || c.ExitCode == nil || f.remains.OOM {
		return false
	}
	_, taken := f.prints(inUse)
	_, readOnly := f.prints(cantWrite)
	_, full := f.prints(noSpace)
	return c.Reason == "" && !taken && !readOnly && !full && !notACommand(f)
}

func looping(s *snapshot.Snapshot, f failure) finding.Finding {
	c := f.container
	cause := fmt.Sprintf("%s ends with exit code %d after %s", f.who(), *c.ExitCode, f.task.ExecutionStopped.Sub(f.task.StartedAt).Round(100*time.Millisecond))
	if line := worst(f.remains.Lines); line != "" {
		cause += fmt.Sprintf(", and says %.200q", line)
	}
	is := f.finding(s, "crash/"+c.Name, cause)
	svc, ok := s.ServiceOf(f.task)
	if !ok {
		is.Mend = []finding.Mend{finding.Change("mend what its output says")}
		return is
	}
	if good := lastGood(s, svc, f.task.TaskDefinition); good != "" {
		changed := diff(s.Definitions[good], s.Definitions[f.task.TaskDefinition])
		if len(changed) == 0 {
			changed = []string{"nothing in the definition: the image's tag, a secret or what the app depends on"}
		}
		is.Evidence = append(is.Evidence, finding.Evidence{What: "changed since " + snapshot.Revision(good), Says: strings.Join(changed, "; ")})
		is.Mend = []finding.Mend{finding.Do("go back to the revision that worked", finding.NewCall("ecs", "UpdateService", "cluster", svc.Cluster, "service", svc.Name, "taskDefinition", snapshot.Revision(good)))}
	}
	is.Mend = append(is.Mend, finding.Change("mend what its output says"))
	return is
}

// lastGood is the definition of the last deployment of a service that completed with another one; "" when there is none.
func lastGood(s *snapshot.Snapshot, svc ecs.Service, but string) string {
	for _, d := range slices.Backward(s.Deployments[svc.Key()]) {
		r := s.Revisions[svc.Key()+"/"+d.Target]
		if d.Progress.Status == types.ServiceDeploymentStatusSuccessful && r.TaskDefinition != but && r.TaskDefinition != "" {
			return r.TaskDefinition
		}
	}
	return ""
}

// diff says what differs between two revisions, without the values of variables.
func diff(before, after types.TaskDefinition) (out []string) {
	say := func(what, a, b string) {
		if a != b {
			out = append(out, fmt.Sprintf("%s %s → %s", what, orNone(a), orNone(b)))
		}
	}
	say("cpu", aws.ToString(before.Cpu), aws.ToString(after.Cpu))
	say("memory", aws.ToString(before.Memory), aws.ToString(after.Memory))
	say("task role", aws.ToString(before.TaskRoleArn), aws.ToString(after.TaskRoleArn))
	say("execution role", aws.ToString(before.ExecutionRoleArn), aws.ToString(after.ExecutionRoleArn))
	for _, c := range after.ContainerDefinitions {
		name := aws.ToString(c.Name)
		old := container(&before, name)
		if old.Name == nil {
			out = append(out, "container "+name+" is new")
			continue
		}
		say(name+"'s image", aws.ToString(old.Image), aws.ToString(c.Image))
		say(name+"'s command", strings.Join(old.Command, " "), strings.Join(c.Command, " "))
		say(name+"'s entry point", strings.Join(old.EntryPoint, " "), strings.Join(c.EntryPoint, " "))
		say(name+"'s user", aws.ToString(old.User), aws.ToString(c.User))
		say(name+"'s memory", fmt.Sprint(aws.ToInt32(old.Memory)), fmt.Sprint(aws.ToInt32(c.Memory)))
		out = append(out, named(name+"'s variable", variables(*old), variables(c))...)
		out = append(out, named(name+"'s secret", secrets(*old), secrets(c))...)
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func variables(c types.ContainerDefinition) map[string]string {
	all := map[string]string{}
	for _, v := range c.Environment {
		all[aws.ToString(v.Name)] = aws.ToString(v.Value)
	}
	return all
}

func secrets(c types.ContainerDefinition) map[string]string {
	all := map[string]string{}
	for _, v := range c.Secrets {
		all[aws.ToString(v.Name)] = aws.ToString(v.ValueFrom)
	}
	return all
}

// named says which names were added, removed or have another value.
func named(what string, before, after map[string]string) (out []string) {
	for name, v := range after {
		old, had := before[name]
		switch {
		case !had:
			out = append(out, what+" "+name+" is new")
		case old != v:
			out = append(out, what+" "+name+" has another value")
		}
	}
	for name := range before {
		if _, has := after[name]; !has {
			out = append(out, what+" "+name+" is gone")
		}
	}
	slices.Sort(out)
	return out
}
