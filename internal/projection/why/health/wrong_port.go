package health

import (
	"fmt"
	"net/netip"
	"strconv"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// WrongPort finds targets whose app listens on another port.
var WrongPort = finding.Check{
	Number: 7, Name: "wrong-port", Title: "The app listens on another port",
	Shows: "Targets are unhealthy with Target.FailedHealthChecks; clients get 502.",
	Known: "The connection is refused, and the kernel's list of the ports that the task's processes listen on.",
	Mend:  "Name the port that the app listens on in containerPort, in the service and in the task definition, or let the app listen on that one.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, wrongPort) },
}

func wrongPort(s *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	if !i.refused() || !i.looked || i.listensOn(i.addr.Port()) {
		return finding.Finding{}, false
	}
	open := i.open()
	if len(open) == 0 {
		f := i.finding(fmt.Sprintf("nothing of %s listens on port %d, or on any other", i.who(), i.addr.Port()))
		f.Possible = true // it may be starting
		f.Mend = []finding.Mend{finding.Change("look at its output: it may still start, or wait for something")}
		return f, true
	}
	f := i.finding(fmt.Sprintf("nothing of %s listens on port %d, which target group %s asks; port %d is open", i.who(), i.addr.Port(), i.group.Name, open[0]))
	f.Mend = []finding.Mend{finding.Change(fmt.Sprintf("let the app listen on %d, or say %d in the definition's portMappings and in the service's loadBalancers", i.addr.Port(), open[0]))}
	if i.group.Check.Port != "traffic-port" && !i.over {
		f.Mend = append([]finding.Mend{finding.Do("check the port that is open", i.modify("HealthCheckPort", strconv.Itoa(int(open[0]))))}, f.Mend...)
	} else if svc, ok := s.ServiceOf(i.task); ok {
		f.Mend = append([]finding.Mend{finding.Do("send the requests to the port that is open, once the definition maps it", finding.NewCall("ecs", "UpdateService",
			"cluster", svc.Cluster, "service", svc.Name, "loadBalancers", i.balancers(int32(open[0]))))}, f.Mend...)
	}
	return f, true
}

// balancers are the loadBalancers of the task's service, with another port.
func (i ill) balancers(port int32) []any {
	var all []any
	for _, l := range i.task.LoadBalancers {
		p := l.ContainerPort
		if l.TargetGroup == i.group.ARN {
			p = port
		}
		all = append(all, map[string]any{"targetGroupArn": l.TargetGroup, "containerName": l.ContainerName, "containerPort": p})
	}
	return all
}

// open lists the ports that somebody else can reach.
func (i ill) open() (ports []uint16) {
	for _, a := range i.listens {
		if !a.Addr().IsLoopback() {
			ports = append(ports, a.Port())
		}
	}
	return ports
}

func (i ill) listensOn(port uint16) bool {
	for _, a := range i.listens {
		if a.Port() == port {
			return true
		}
	}
	return false
}

func (i ill) at(port uint16) (all []netip.AddrPort) {
	for _, a := range i.listens {
		if a.Port() == port {
			all = append(all, a)
		}
	}
	return all
}
