package why

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/projection/why/deployments"
	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/groups"
	"github.com/skylift/skylift/internal/projection/why/health"
	"github.com/skylift/skylift/internal/projection/why/machine"
	"github.com/skylift/skylift/internal/projection/why/names"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/projection/why/tasks"
	"github.com/skylift/skylift/internal/projection/why/traffic"
)

// Checks are all checks, in the order of the page about them.
func Checks() []finding.Check {
	all := slices.Concat(groups.Checks, health.Checks, tasks.Checks, deployments.Checks, traffic.Checks, names.Checks, machine.Checks)
	slices.SortFunc(all, func(a, b finding.Check) int { return a.Number - b.Number })
	return all
}

// Answer is what `skylift why` tells.
type Answer struct {
	Thing    string            `json:"thing,omitempty"` // what it was asked of, as it was understood; "": everything
	Findings []finding.Finding `json:"findings"`        // the worst first
	// Looked says what was looked at, when nothing was found.
	Looked []string `json:"looked,omitempty"`
	// Unknown says what couldn't be known, and why.
	Unknown []string `json:"unknown,omitempty"`
	// Details are of a task, or of a service's last tasks.
	Details *Report `json:"details,omitempty"`
}

// Everything finds all that is wrong now.
func Everything(s *snapshot.Snapshot) Answer {
	a := Answer{Findings: slices.DeleteFunc(find(s), func(f finding.Finding) bool { return f.Over && !stillMissed(s, f) })}
	a.Unknown = s.Unknown
	if len(a.Findings) == 0 {
		a.Looked = looked()
	}
	return a
}

// Of finds why a thing is as it is. Error: ErrNone.
func Of(s *snapshot.Snapshot, ref, cluster string) (Answer, error) {
	t, err := resolve(s, ref, cluster)
	if err != nil {
		return Answer{}, err
	}
	around := s.Around(t.key)
	a := Answer{Thing: t.name, Unknown: s.Unknown}
	for _, f := range find(s) {
		own := slices.Contains(f.About, t.key)
		if own && (t.task || !f.Over || stillMissed(s, f)) || !f.Over && concerns(f, around) {
			a.Findings = append(a.Findings, f)
		}
	}
	if len(a.Findings) == 0 {
		a.Findings, a.Looked = []finding.Finding{}, looked()
	}
	return a, nil
}

// concerns says that a finding is about something that is around a thing, and not about another one's services and
// target groups behind the same balancer.
func concerns(f finding.Finding, around map[string]bool) bool {
	near := func(key string) bool { return around[key] }
	owned := slices.DeleteFunc(slices.Clone(f.About), func(key string) bool {
		return !strings.HasPrefix(key, snapshot.ServiceKey("")) && !strings.HasPrefix(key, snapshot.PoolKey(""))
	})
	if len(owned) > 0 {
		return slices.ContainsFunc(owned, near)
	}
	return slices.ContainsFunc(f.About, near)
}

// stillMissed says that what a finding is about has ended, and a service lacks tasks for it.
func stillMissed(s *snapshot.Snapshot, f finding.Finding) bool {
	for _, svc := range s.Services {
		if slices.Contains(f.About, snapshot.ServiceKey(svc.Key())) && s.Running(svc) < int(svc.Desired) && s.Now.Sub(f.Since) < recent {
			return true
		}
	}
	return false
}

// recent is for how long what is past is told as the cause of what is wrong still.
const recent = time.Hour

// find runs all checks. Of findings that are the same the newest is told.
func find(s *snapshot.Snapshot) []finding.Finding {
	all := []finding.Finding{}
	for _, c := range Checks() {
		newest := map[string]finding.Finding{}
		for _, f := range c.Find(s) {
			f.Check = c.Name
			f.About = slices.DeleteFunc(f.About, func(key string) bool { return key == snapshot.ServiceKey("") }) // of a task of no service
			if f.Same == "" {
				all = append(all, f)
				continue
			}
			was, had := newest[f.Same]
			if had {
				f.About, was.About = join(was.About, f.About), join(was.About, f.About)
				if !was.Over || f.Over && !f.Since.After(was.Since) {
					newest[f.Same] = was
					continue
				}
			}
			newest[f.Same] = f
		}
		for _, same := range slices.Sorted(maps.Keys(newest)) {
			all = append(all, newest[same])
		}
	}
	finding.Sort(all)
	return withoutRepeats(all)
}

func join(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// withoutRepeats leaves out what follows from another finding about the same thing: a target that the firewall keeps out
// times out, too.
func withoutRepeats(all []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(all), func(f finding.Finding) bool {
		for _, by := range follows[f.Check] {
			if slices.ContainsFunc(all, func(o finding.Finding) bool { return o.Check == by && shares(o, f) }) {
				return true
			}
		}
		return false
	})
}

// follows names, for a check, those whose findings explain its own.
var follows = map[string][]string{
	health.TimesOut.Name:      {groups.BalancerKeptOut.Name, groups.NoWay.Name},
	health.WrongPort.Name:     {health.SlowStart.Name, tasks.CrashLoop.Name, tasks.PortTaken.Name},
	health.WrongPath.Name:     {health.HostOnly.Name},
	traffic.ServerErrors.Name: {groups.BalancerKeptOut.Name},
}

func shares(a, b finding.Finding) bool {
	return slices.ContainsFunc(a.About, func(key string) bool { return slices.Contains(b.About, key) })
}

// looked says what was looked at, in the order of the page.
func looked() (all []string) {
	for _, c := range Checks() {
		all = append(all, c.Title)
	}
	return all
}
