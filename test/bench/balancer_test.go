package main

import (
	"strings"
	"testing"
)

const wrkSays = `Running 3s test @ http://127.0.0.1:8080/
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.95ms    6.05ms 101.04ms   91.01%
    Req/Sec    13.9k     4.02k   24.75k    70.97%
  Latency Distribution
     50%  840.00us
     75%    3.62ms
     90%    5.90ms
     99%   28.10ms
  85812 requests in 3.10s, 10.15MB read
Requests/sec:  27661.03
Transfer/sec:      3.27MB
`

func TestParseLoad(t *testing.T) {
	t.Parallel()
	got, err := parseLoad(wrkSays)
	if want := (result{requests: 85812, perSecond: 27661.03, p50: 0.84, p99: 28.1}); err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, lost := range []string{"  Socket errors: connect 0, read 3, write 0, timeout 0\n", "  Non-2xx or 3xx responses: 12\n"} {
		if _, err := parseLoad(wrkSays + lost); err == nil || !strings.Contains(err.Error(), strings.TrimSpace(lost)) {
			t.Errorf("with %q: got error %v, want one that says so", lost, err)
		}
	}
}
