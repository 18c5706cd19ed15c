package e2e

import (
	"strings"
	"testing"
	"time"
)

// TestStart has an instance live through what a host does to it every day:
// started, used, ended, started again.
func TestStart(t *testing.T) {
	t.Parallel()
	s := start(t)
	for _, path := range []string{"/livez", "/readyz"} {
		if err := s.probe(path); err != nil {
			t.Error(err)
		}
	}
	if got := s.aws(t, "sts", "get-caller-identity", "--query", "Arn", "--output", "text"); !strings.HasSuffix(got, ":root") {
		t.Errorf("caller is %s", got)
	}
	s.site(t, "shop", 2)
	before := s.tasks(t)

	if took := s.term(t); took > 10*time.Second {
		t.Errorf("took %v to end", took)
	}
	if n := len(s.containers(t)); n != 4 { // each task has a sandbox and a container
		t.Errorf("%d containers run without Skylift, want 4", n)
	}
	s.restart(t)
	s.answers(t, "shop.test", "site=shop version=1")
	s.stable(t, "shop")
	sameTasks(t, before, s.tasks(t))
}
