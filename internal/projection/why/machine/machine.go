// Package machine finds what is wrong with the machine, and what is far away from it.
package machine

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Checks are those of this package.
var Checks = []finding.Check{FarAway, Trouble}

// Trouble tells what is wrong with the machine.
var Trouble = finding.Check{
	Number: 40, Name: "machine", Title: "The machine is in trouble",
	Shows: "Tasks don't start, or are slow: the disk is nearly full, memory or processes are short, the engine is gone, the clock is off.",
	Known: "What Skylift measures of the machine all the time.",
	Mend:  "What each of them says.",
	Find:  trouble,
}

func trouble(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, p := range s.Machine {
		out = append(out, finding.Finding{
			Cause: p, Level: finding.Limited, About: []string{snapshot.MachineKey},
			Evidence: []finding.Evidence{{What: "machine", Says: p}},
			Mend:     []finding.Mend{finding.Run("see what there is of it", "skylift status")},
		})
	}
	return out
}

// FarAway finds connections to a database that is far away.
var FarAway = finding.Check{
	Number: 39, Name: "far-away", Title: "The database is far away",
	Shows: "Pages take seconds, while the CPU idles.",
	Known: "The kernel's own measure of a round trip on each connection of the task's, and how often the task sent something on it.",
	Mend:  "Bring the app and its database together, or let a request make fewer queries.",
	Find:  farAway,
}

// far is a round trip that an app notices that makes many of them.
const far = 10 * time.Millisecond

// databases are the ports of databases, by which a connection to one is known.
var databases = map[uint16]string{1433: "SQL Server", 1521: "Oracle", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis", 9042: "Cassandra", 11211: "memcached", 27017: "MongoDB"}

func farAway(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, t := range s.Tasks {
		type line struct {
			rtt  time.Duration
			sent uint32
			n    int
		}
		by := map[netip.AddrPort]line{}
		for _, k := range s.Sockets[t.Key()] {
			if k.Listens || k.Waits || k.RTT < far || databases[k.Remote.Port()] == "" {
				continue
			}
			l := by[k.Remote]
			by[k.Remote] = line{max(l.rtt, k.RTT), l.sent + k.Sent, l.n + 1}
		}
		for _, at := range slices.SortedFunc(maps.Keys(by), netip.AddrPort.Compare) {
			out = append(out, distant(s, t, at, by[at].rtt, by[at].sent, by[at].n))
		}
	}
	return out
}

func distant(s *snapshot.Snapshot, t ecs.Task, at netip.AddrPort, rtt time.Duration, sent uint32, n int) finding.Finding {
	f := finding.Finding{
		Cause: fmt.Sprintf("%s needs %s for each round trip to %s at %s", snapshot.Of(t), rtt.Round(time.Millisecond), databases[at.Port()], at), Level: finding.Warned,
		Same:     cmp.Or(t.Service, t.ID) + at.String(),
		About:    []string{snapshot.TaskKey(t), snapshot.ServiceKey(t.Service), snapshot.AddressKey(at.Addr().String())},
		Evidence: []finding.Evidence{{What: "kernel", Says: fmt.Sprintf("%d connections of task %s: round trip %s, %d messages sent", n, snapshot.Short(t.ID), rtt.Round(100*time.Microsecond), sent)}},
		Mend:     []finding.Mend{finding.Change("bring the app and its database together: to one machine or one data centre; or let a request make fewer queries")},
	}
	if requests := served(s, t); requests > 0 {
		each := float64(sent) / float64(requests)
		f.Evidence = append(f.Evidence, finding.Evidence{What: "requests", Says: fmt.Sprintf("%.1f messages a request: %s × %.1f", each, rtt.Round(time.Millisecond), each)})
	}
	return f
}

// served is how many requests the task has had from balancers.
func served(s *snapshot.Snapshot, t ecs.Task) (n uint64) {
	for _, p := range s.Counts.Pools {
		for _, c := range p.Targets {
			if c.Target.Addr() == t.ENI.Addr {
				n += c.Requests
			}
		}
	}
	return n
}
