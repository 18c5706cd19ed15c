package daemon

import (
	"fmt"
	"net/netip"

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

// newLimits shares out the descriptors that this process may have. Tasks have
// their addresses in cidr.
func newLimits(c Config, cidr netip.Prefix) (limits, error) {
	files, err := limit.Files()
	if err != nil {
		return limits{}, err
	}
	b := limit.Plan(files)
	bound := func(name string, n, perTask int) *limit.Conns {
		return limit.NewConns(limit.Config{
			Name: name, Max: n, PerClient: limit.PerClient(n), PerTask: perTask, Tasks: cidr, Log: c.Log,
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
