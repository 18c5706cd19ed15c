package health

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/vpc"
)

// TimesOut finds targets that take a connection and answer too late.
var TimesOut = finding.Check{
	Number: 11, Name: "check-times-out", Title: "The health check times out",
	Shows: "Targets are unhealthy with Target.Timeout, while the groups let the balancer in.",
	Known: "How long the answer was waited for, and that the firewall lets the check through.",
	Mend:  "Check a cheaper path, give the check a longer timeout, or give the task more CPU.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, timesOut) },
}

func timesOut(s *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	limit := time.Duration(i.group.Check.Timeout) * time.Second
	late := i.seen.Status != "" && i.seen.Took > limit
	if !late && (i.seen.Status != "" || i.seen.Took < limit || i.refused()) || !i.admitted(s) {
		return finding.Finding{}, false // for the last, see BalancerKeptOut
	}
	cause := fmt.Sprintf("%s doesn't answer the health check of target group %s within its %d s", i.who(), i.group.Name, i.group.Check.Timeout)
	if late {
		cause = fmt.Sprintf("%s answers the health check of target group %s after %s, and only %d s are waited", i.who(), i.group.Name, took(i.seen.Took), i.group.Check.Timeout)
	}
	f := i.finding(cause)
	f.Possible = !late && !i.listensOn(i.addr.Port())
	want := int(min(120, max(2*i.seen.Took, 2*limit).Seconds()))
	f.Mend = []finding.Mend{
		finding.Do("wait longer", i.modify("HealthCheckTimeoutSeconds", want, "HealthCheckIntervalSeconds", min(300, max(int(i.group.Check.Interval), want+5)))),
		finding.Change("or check a path that needs no database, or give the task more CPU"),
	}
	return f, true
}

// admitted says that the groups let each balancer's checks through.
func (i ill) admitted(s *snapshot.Snapshot) bool {
	for _, b := range s.BalancersTo(i.group.ARN) {
		eni, ok := s.InterfaceOf(b.ARN)
		if ok && !s.Check(vpc.Flow{Protocol: 6, Src: eni.Addr, Dst: i.addr.Addr(), SrcPort: 50000, DstPort: i.addr.Port()}).Admitted {
			return false
		}
	}
	return true
}

// HostOnly finds apps that answer only to their own host name.
var HostOnly = finding.Check{
	Number: 12, Name: "answers-to-its-host", Title: "The app answers to its host name only",
	Shows: "Targets are unhealthy with a 400, 403, 404 or 421, while the site works in a browser. Django's ALLOWED_HOSTS and virtual hosts of nginx do this.",
	Known: "The target is asked again with the Host header of each rule that leads to it: a health check sends the target's address.",
	Mend:  "Let the app answer the health check's path whatever the Host header says, or take the code as healthy.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, hostOnly) },
}

func hostOnly(_ *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	hosts := i.answersTo()
	if len(hosts) == 0 || i.code() < 400 {
		return finding.Finding{}, false
	}
	f := i.finding(fmt.Sprintf("%s answers the health check of target group %s with %s because of its Host header: for %s it answers %s",
		i.who(), i.group.Name, i.seen.Status, hosts[0], i.hosts[hosts[0]].Status))
	f.Evidence = append(f.Evidence, finding.Evidence{What: "health check with Host: " + hosts[0], Says: "GET " + i.hosts[hosts[0]].Asked + " → " + i.hosts[hosts[0]].Status})
	f.Mend = []finding.Mend{
		finding.Change("let the app answer this path for any host: the check's Host header is " + checkHost(i.addr)),
		finding.Do("or take the code as healthy", i.modify("Matcher", map[string]string{"HttpCode": fmt.Sprintf("%s,%d", i.matcher(), i.code())})),
	}
	return f, true
}

// checkHost is the Host header of a health check.
func checkHost(a netip.AddrPort) string { return strings.TrimSuffix(a.String(), ":80") }
