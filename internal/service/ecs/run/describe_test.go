package run

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
)

// A task asks the servers that its interface was told of; one of before there were any, the resolver that there was then.
func TestWhereTasksAsk(t *testing.T) {
	t.Parallel()
	old, addr := netip.MustParseAddr("172.31.0.2"), netip.MustParseAddr("10.20.0.9")
	for _, tt := range []struct {
		resolver netip.Addr
		eni      ecs.ENI
		want     string
	}{
		{old, ecs.ENI{Addr: addr}, "[172.31.0.2] [us-west-2.compute.internal]"},
		{old, ecs.ENI{Addr: addr, Servers: []string{"10.20.0.2"}, Search: []string{"corp.example"}}, "[10.20.0.2] [corp.example]"},
		{netip.Addr{}, ecs.ENI{Addr: addr}, "[] []"},
	} {
		r := New(Config{Region: "us-west-2", Resolver: tt.resolver})
		e := r.describe(task{Task: ecs.Task{ENI: tt.eni}}, nil, inputs.Inputs{})
		if got := fmt.Sprint(e.DNS, " ", e.Search); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.eni, got, tt.want)
		}
	}
}
