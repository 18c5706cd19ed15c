package health

import (
	"fmt"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// OnLoopback finds apps that only their own task can reach.
var OnLoopback = finding.Check{
	Number: 9, Name: "on-loopback", Title: "The app listens on 127.0.0.1 only",
	Shows: "Targets are unhealthy, while the app's own health check inside the container passes.",
	Known: "The connection is refused, and the kernel's list of the addresses that the task's processes listen on.",
	Mend:  "Let the app listen on 0.0.0.0.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, onLoopback) },
}

func onLoopback(_ *snapshot.Snapshot, i ill) (finding.Finding, bool) {
	at := i.at(i.addr.Port())
	if !i.refused() || len(at) == 0 {
		return finding.Finding{}, false
	}
	for _, a := range at {
		if !a.Addr().IsLoopback() {
			return finding.Finding{}, false
		}
	}
	f := i.finding(fmt.Sprintf("%s listens on %s only, where nobody but the task itself reaches it", i.who(), at[0]))
	f.Mend = []finding.Mend{finding.Change(fmt.Sprintf("let the app listen on 0.0.0.0:%d: HOST=0.0.0.0, --host 0.0.0.0 or --bind 0.0.0.0, as its framework calls it", i.addr.Port()))}
	return f, true
}
