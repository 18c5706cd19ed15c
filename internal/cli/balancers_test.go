package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/daemon"
)

func TestPrintBalancers(t *testing.T) {
	t.Parallel()
	var counts daemon.Counts
	err := json.Unmarshal([]byte(`{
		"Balancers":[{"Balancer":"arn:aws:elasticloadbalancing:us-west-2:1:loadbalancer/app/web/1","Requests":7,"BytesIn":70,"BytesOut":700,"Opened":3,"Open":1,"Codes":[0,0,0,1,2,4],"TLSErrors":9}],
		"Pools":[{"Pool":"arn:aws:elasticloadbalancing:us-west-2:1:targetgroup/tea/2","Zones":[{"Zone":"us-west-2a","Requests":5,"Codes":[0,0,3,0,1,1],"Refused":2}],"Targets":[{"Target":"10.0.0.1:80","State":"healthy"},{"Target":"10.0.0.2:80","State":"draining"}]}]}`), &counts)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := printBalancers(&b, counts); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for l := range strings.SplitSeq(b.String(), "\n") {
		lines = append(lines, strings.Join(strings.Fields(l), " "))
	}
	if len(lines) != 6 || lines[1] != "app/web/1 - 7 70 700 3 1 1 2 4 9" || lines[4] != "tea/2 us-west-2a 5 3 0 1 1 2 0s 0s 1 0" {
		t.Errorf("got\n%s", b.String())
	}
	for d, want := range map[time.Duration]string{1234 * time.Microsecond: "1.2ms", 99 * time.Microsecond: "99µs", 12345 * time.Millisecond: "12s"} {
		if got := short(d); got != want {
			t.Errorf("%s is %s, want %s", d, got, want)
		}
	}
}
