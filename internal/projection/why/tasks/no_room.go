package tasks

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// NoRoom finds services that wait for room on the machine.
var NoRoom = finding.Check{
	Number: 17, Name: "no-room", Title: "The machine has no room for the task",
	Shows: "\"was unable to place a task\", and fewer tasks run than are wanted.",
	Known: "What the machine has, what tasks have reserved, and which services have reserved most.",
	Mend:  "Ask for fewer or smaller tasks, or stop what isn't needed.",
	Find:  noRoom,
}

func noRoom(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, svc := range s.Services {
		r := s.Primaries[svc.Key()].Rollout
		running := s.Running(svc)
		if svc.Status != ecs.Active || r.Unplaced == "" && len(r.Crowded) == 0 || running >= int(svc.Desired) {
			continue
		}
		f := finding.Finding{Since: r.UpdatedAt, Level: finding.Limited, About: []string{snapshot.ServiceKey(svc.Key()), snapshot.MachineKey}}
		if running == 0 {
			f.Level = finding.Down
		}
		if r.Unplaced == "" {
			f.Cause = fmt.Sprintf("service %s has %d of %d tasks: its subnets have no free address", svc.Name, running, svc.Desired)
			f.Evidence = []finding.Evidence{{What: "subnets", Says: crowded(r.Crowded)}}
			f.Mend = []finding.Mend{finding.Change("name a subnet with free addresses in the service's networkConfiguration")}
			out = append(out, f)
			continue
		}
		f.Cause = fmt.Sprintf("service %s has %d of %d tasks: the machine has no room for another one of %s CPU units and %s MiB", svc.Name, running, svc.Desired, size(s, svc).cpu, size(s, svc).memory)
		f.Evidence = []finding.Evidence{
			{What: "placement", Says: r.Unplaced},
			{What: "machine", Says: fmt.Sprintf("%d of %d MiB and %d of %d CPU units are reserved", s.Used.Memory, s.Total.Memory, s.Used.CPU, s.Total.CPU)},
			{What: "reserved by", Says: holders(s)},
		}
		f.Mend = []finding.Mend{
			finding.Do("ask for as many as there is room for", finding.NewCall("ecs", "UpdateService", "cluster", svc.Cluster, "service", svc.Name, "desiredCount", max(running, 0))),
			finding.Change("or register a smaller revision, or stop what isn't needed"),
		}
		out = append(out, f)
	}
	return out
}

func crowded(all []ecs.Crowd) string {
	names := []string{}
	for _, c := range all {
		names = append(names, c.Subnet)
	}
	return strings.Join(names, ", ")
}

type needs struct{ cpu, memory string }

// size is what a task of the service takes.
func size(s *snapshot.Snapshot, svc ecs.Service) needs {
	d := s.Definitions[s.Primaries[svc.Key()].TaskDefinition]
	if d.Cpu == nil || d.Memory == nil {
		return needs{"?", "?"}
	}
	return needs{*d.Cpu, *d.Memory}
}

// holders names who has reserved most memory.
func holders(s *snapshot.Snapshot) string {
	by := map[string]int{}
	for _, t := range s.Tasks {
		if mib, _ := strconv.Atoi(t.Memory); t.Status != ecs.Stopped {
			by[snapshot.Of(t)] += mib
		}
	}
	var names []string
	for name := range by {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(by[b], by[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d MiB", name, by[name])
	}
	return strings.Join(names[:min(3, len(names))], ", ")
}
