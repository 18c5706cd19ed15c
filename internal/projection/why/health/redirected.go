package health

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// Redirected finds health checks that are answered by a redirect.
var Redirected = finding.Check{
	Number: 6, Name: "check-redirected", Title: "The health check gets a redirect where only a 200 counts",
	Shows: "Targets are unhealthy with Target.ResponseCodeMismatch [302], while the site works in a browser.",
	Known: "The last answer to the health check: its status and where it leads to.",
	Mend:  "Check a path that answers 200 without login and without HTTPS, or take the redirect as healthy.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, redirected) },
}

func redirected(_ *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	code := i.code()
	if code < 300 || code > 399 {
		return finding.Finding{}, false
	}
	where := ""
	if i.seen.Location != "" {
		where = " to " + i.seen.Location
	}
	f := i.finding(fmt.Sprintf("the health check of target group %s gets a %d%s, and only %s counts as healthy", i.group.Name, code, where, i.matcher()))
	f.Mend = []finding.Mend{finding.Do(fmt.Sprintf("take %d as healthy, too", code), i.modify("Matcher", map[string]string{"HttpCode": fmt.Sprintf("%s,%d", i.matcher(), code)}))}
	if to, err := url.Parse(i.seen.Location); err == nil && to.Scheme == "https" && strings.EqualFold(to.Path, i.group.Check.Path) {
		f.Mend = append(f.Mend, finding.Change("the app sends plain HTTP on to HTTPS: let it answer this path over HTTP, or let it go by the header X-Forwarded-Proto, which health checks don't have"))
	} else {
		f.Mend = append(f.Mend, finding.Change("check a path that answers 200 without login: --health-check-path of aws elbv2 modify-target-group"))
	}
	return f, true
}
