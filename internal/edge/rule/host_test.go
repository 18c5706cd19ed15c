package rule_test

import (
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/edge/rule"
	"github.com/skylift/skylift/internal/edge/table"
)

// TestMatchHost: a host is one that a rule asks for as a request with it meets the rule.
func TestMatchHost(t *testing.T) {
	t.Parallel()
	s, err := rule.Compile([]table.Rule{
		{ID: "path", Conditions: []table.Condition{{Field: table.PathPattern, Values: []string{"/x"}}}},
		{ID: "exact", Conditions: []table.Condition{{Field: table.HostHeader, Values: []string{"a.test"}}}},
		{ID: "wide", Conditions: []table.Condition{{Field: table.HostHeader, Values: []string{"*.b.test"}}}},
		{ID: "regex", Conditions: []table.Condition{{Field: table.HostHeader, Regex: []string{`^c[0-9]+\.test$`}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"a.test": true, "A.TEST": true, "x.b.test": true, "b.test": false, "c12.test": true, "d.test": false, "": false,
		strings.Repeat("a", 248) + ".b.test": true, strings.Repeat("a", 249) + ".b.test": false,
	} {
		if got := s.MatchHost([]byte(host)); got != want {
			t.Errorf("MatchHost(%q) = %t", host, got)
		}
		if met := s.Find(&rule.Request{Host: []byte(host), Path: []byte("/")}) >= 0; met != want {
			t.Errorf("a request for %q meets a rule: %t", host, met)
		}
	}
	none, err := rule.Compile(nil)
	if err != nil || none.MatchHost([]byte("a.test")) {
		t.Errorf("without rules: %v", err)
	}
}
