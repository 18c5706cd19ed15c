package firewall

import (
	"strings"
	"testing"
)

func TestParsePorts(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Ports{
		"tcp:5432": {TCP, 5432, 5432}, "UDP:53": {UDP, 53, 53}, "tcp:8000-8100": {TCP, 8000, 8100}, "tcp:65535": {TCP, 65535, 65535},
	} {
		got, err := ParsePorts(in)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", in, got, err, want)
		}
		if got.String() != strings.ToLower(in) {
			t.Errorf("%s is written as %s", in, got)
		}
	}
	for _, in := range []string{"", "5432", "tcp", "tcp:", "tcp:0", "tcp:65536", "tcp:-1", "icmp:8", "tcp:9-8", "tcp:1-", "tcp:1-2-3", "tcp:+1", "tcp: 1"} {
		if got, err := ParsePorts(in); err == nil || !strings.Contains(err.Error(), "as in tcp:5432") {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
}
