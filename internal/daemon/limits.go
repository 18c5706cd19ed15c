package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/skylift/skylift/internal/limit"
	"github.com/skylift/skylift/internal/service/ecs/metadata"
)

// limits says how much each part may have of what all share: descriptors and
// connections.
type limits struct {
	budget   limit.Budget
	clients  *limit.Conns // of load balancers
	api      *limit.Conns // and of the registry
	metadata *limit.Conns
	dns      *limit.Conns // of the name server, over TCP
	resolver *limit.Conns // of the resolver of tasks, over TCP
}

// taskRanges are the ranges of all VPCs, which tasks have their addresses in.
type taskRanges struct {
	all atomic.Pointer[[]netip.Prefix]
}

func (r *taskRanges) set(all []netip.Prefix) { r.all.Store(&all) }

func (r *taskRanges) contain(a netip.Addr) bool {
	all := r.all.Load()
	return all != nil && slices.ContainsFunc(*all, func(p netip.Prefix) bool { return p.Contains(a) })
}

// newLimits shares out the descriptors that this process may have. tasks tells whether a task may have an address.
func newLimits(c Config, tasks func(netip.Addr) bool) (limits, error) {
	files, err := limit.Files()
	if err != nil {
		return limits{}, err
	}
	b := limit.Plan(files)
	bound := func(name string, n, perTask int) *limit.Conns {
		return limit.NewConns(limit.Config{
			Name: name, Max: n, PerClient: limit.PerClient(n), PerTask: perTask, Tasks: tasks, Log: c.Log,
		})
	}
	l := limits{
		budget:   b,
		clients:  bound("load balancers", b.Clients, limit.PerTask(b.Clients)),
		api:      bound("the APIs and the registry", b.API, limit.PerTask(b.API)),
		dns:      bound("the name server", b.DNS, limit.PerTask(b.DNS)),
		resolver: bound("the resolver of tasks", b.DNS, limit.PerTask(b.DNS)),
		metadata: bound("the task metadata endpoint", b.Metadata, metadata.MaxConns),
	}
	c.Log.Debug("connections are bounded", "files", b.Files, "clients", b.Clients, "targets", b.Targets, "api", b.API, "checks", b.Checks)
	return l, nil
}

// problems says what runs short. local is true when this machine itself failed
// to connect to a target.
func (l limits) problems(local bool) (out []string) {
	const mend = "raise the limit of open files, now %d (LimitNOFILE of the service, ulimit -n)"
	files := l.budget.Files
	if files < limit.Few {
		out = append(out, fmt.Sprintf("few files can be open at once: "+mend, files))
	}
	for _, c := range []*limit.Conns{l.clients, l.api, l.metadata, l.dns, l.resolver} {
		if p := c.Problem(); p != "" {
			out = append(out, fmt.Sprintf("%s; to have more, "+mend, p, files))
		}
	}
	switch open, err := limit.Open(); {
	case err != nil:
		out = append(out, fmt.Sprintf("%s: "+mend, err, files))
	case open > files-files/8:
		out = append(out, fmt.Sprintf("%d files are open: "+mend, open, files))
	}
	if local {
		out = append(out, "this machine itself lacks what it takes to connect to targets (files, ports or memory, see the log): such requests are answered 503, and health checks left out")
	}
	return out
}
