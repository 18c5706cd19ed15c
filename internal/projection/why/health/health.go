// Package health finds why targets fail their health checks.
package health

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/vpc/sockets"
)

// Checks are those of this package.
var Checks = []finding.Check{Redirected, WrongPort, WrongPath, OnLoopback, SlowStart, TimesOut, HostOnly}

// ill is a target that fails its check, or a task that was stopped because it did.
type ill struct {
	group   elbv2.TargetGroup
	addr    netip.AddrPort // that the check asks
	task    ecs.Task       // empty: none of ours
	since   time.Time
	seen    elbv2.Seen
	listens []netip.AddrPort // where the task's processes listen
	looked  bool             // listens is known
	hosts   map[string]elbv2.Seen
	over    bool // the task has stopped since
}

// ills returns the unhealthy targets, and the tasks that were stopped for it.
func ills(s *snapshot.Snapshot) (all []ill) {
	for _, t := range s.Targets {
		key := elbv2.TargetKey(t.Group, t.Addr, t.Port)
		h := s.Health[key]
		g, known := s.TargetGroup(t.Group)
		addr, err := netip.ParseAddr(t.Addr)
		if !known || err != nil || h.State != elbv2.StateUnhealthy || !t.DeregisteredAt.IsZero() {
			continue
		}
		is := ill{group: g, addr: netip.AddrPortFrom(addr, snapshot.CheckPort(g, t)), since: h.Since, seen: h.Seen}
		if p, asked := s.Probes[key]; asked {
			is.seen, is.hosts = p.Seen, p.Hosts
		}
		if task, ok := s.TaskAt(addr); ok {
			is.task = task
			is.listens, is.looked = listening(s.Sockets, task)
		}
		all = append(all, is)
	}
	for _, t := range s.Tasks {
		all = append(all, ended(s, t)...)
	}
	return all
}

// listening returns where a task's processes listen.
func listening(all map[string][]sockets.Socket, t ecs.Task) (at []netip.AddrPort, known bool) {
	of, known := all[t.Key()]
	for _, k := range of {
		if k.Listens {
			at = append(at, k.Local)
		}
	}
	return sorted(at), known
}

// ended returns how the target groups saw a task that failed.
func ended(s *snapshot.Snapshot, t ecs.Task) (all []ill) {
	scene := s.Evidence[t.Key()].Scene
	if scene == nil || !strings.HasPrefix(t.Reason, "Task failed ELB health checks") {
		return nil
	}
	for _, at := range scene.Targets {
		g, known := s.TargetGroup(at.Group)
		if !known || at.State != elbv2.StateUnhealthy || at.At.IsZero() {
			continue
		}
		all = append(all, ill{
			group: g, addr: netip.AddrPortFrom(t.ENI.Addr, snapshot.CheckPort(g, elbv2.Target{Port: at.Port})), task: t, since: t.StopAt, over: true,
			seen:    elbv2.Seen{At: at.At, Asked: at.Asked, Took: at.Took, Status: at.Status, Location: at.Location, Body: at.Body, Error: at.Error},
			listens: sorted(scene.Listens), looked: true,
		})
	}
	return all
}

func sorted(at []netip.AddrPort) []netip.AddrPort {
	at = slices.Clone(at)
	slices.SortFunc(at, netip.AddrPort.Compare)
	return slices.Compact(at)
}

// code is the status of the answer; 0: none came.
func (i ill) code() (n int) {
	_, _ = fmt.Sscanf(i.seen.Status, "%d", &n) // 302 Found
	return n
}

// refused says that nothing listens where the check asks.
func (i ill) refused() bool { return i.seen.Error == "connection refused" }

// finding is what all findings of the package have in common.
func (i ill) finding(cause string) finding.Finding {
	f := finding.Finding{
		Cause: cause, Since: i.since, Level: finding.Down, Over: i.over, Same: i.group.ARN,
		About: []string{snapshot.PoolKey(i.group.ARN), snapshot.AddressKey(i.addr.Addr().String())},
	}
	if i.task.ID != "" {
		f.About = append(f.About, snapshot.TaskKey(i.task), snapshot.ServiceKey(i.task.Service))
	}
	f.Evidence = append(f.Evidence, finding.Evidence{What: "health check", Says: i.told()})
	if i.looked {
		f.Evidence = append(f.Evidence, finding.Evidence{What: "listening", Says: i.listening()})
	}
	return f
}

// told says what the check asked and got.
func (i ill) told() string {
	s := "GET " + i.seen.Asked
	switch {
	case i.seen.Status != "":
		s += fmt.Sprintf(" → %s after %s", i.seen.Status, took(i.seen.Took))
		if i.seen.Location != "" {
			s += ", Location: " + i.seen.Location
		}
		if body := strings.TrimSpace(i.seen.Body); body != "" && i.seen.Location == "" {
			s += fmt.Sprintf(", %.80q", body)
		}
	default:
		s += fmt.Sprintf(" → no answer after %s: %s", took(i.seen.Took), i.seen.Error)
	}
	return s + fmt.Sprintf("; the matcher is %s", i.matcher())
}

func (i ill) matcher() string {
	if i.group.Check.Matcher == "" {
		return "200"
	}
	return i.group.Check.Matcher
}

// took is a time as short as it can be read.
func took(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// listening says where the task's processes listen.
func (i ill) listening() string {
	if len(i.listens) == 0 {
		return "no process of the task listens on any TCP port"
	}
	var all []string
	for _, a := range i.listens {
		all = append(all, a.String())
	}
	return "the task's processes listen on " + strings.Join(all, ", ")
}

// who names the target for people.
func (i ill) who() string {
	if i.task.ID == "" {
		return "target " + i.addr.String()
	}
	return snapshot.Of(i.task)
}

// modify is a call that changes the group's health check.
func (i ill) modify(args ...any) finding.Call {
	return finding.NewCall("elbv2", "ModifyTargetGroup", append([]any{"TargetGroupArn", i.group.ARN}, args...)...)
}

// each makes a finding of each ill target that of finds something in.
func each(s *snapshot.Snapshot, of func(*snapshot.Snapshot, ill) (finding.Finding, bool)) (out []finding.Finding) {
	for _, i := range ills(s) {
		if f, ok := of(s, i); ok {
			out = append(out, f)
		}
	}
	return out
}
