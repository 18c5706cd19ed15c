package health

import (
	"fmt"
	"slices"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// WrongPath finds health checks for a path that isn't there, or that fails.
var WrongPath = finding.Check{
	Number: 8, Name: "wrong-path", Title: "The health check's path doesn't exist, or fails",
	Shows: "Targets are unhealthy with Target.ResponseCodeMismatch [404].",
	Known: "The last answer to the health check, with how its body begins.",
	Mend:  "Check a path that the app answers with 200.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, wrongPath) },
}

func wrongPath(_ *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	code := i.code()
	if code < 400 || len(i.answersTo()) > 0 {
		return finding.Finding{}, false // for the second, see HostOnly
	}
	path := i.group.Check.Path
	cause := fmt.Sprintf("%s answers the health check of target group %s, for %s, with %s", i.who(), i.group.Name, path, i.seen.Status)
	say := "check a path that the app answers with 200"
	switch {
	case code == 401 || code == 403:
		say = "check a path that needs no login"
	case code >= 500:
		say = "see in the app's output why it fails; or check a path that doesn't depend on what fails"
	}
	f := i.finding(cause)
	f.Mend = []finding.Mend{finding.Change(say)}
	if path != "/" {
		f.Mend = append(f.Mend, finding.Do("or check /", i.modify("HealthCheckPath", "/")))
	}
	return f, true
}

// answersTo returns the host names that the target answers well to.
func (i ill) answersTo() (hosts []string) {
	for host, seen := range i.hosts {
		var n int
		if _, _ = fmt.Sscanf(seen.Status, "%d", &n); n >= 200 && n < 300 {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return hosts
}
