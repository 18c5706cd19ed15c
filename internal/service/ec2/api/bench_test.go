package api

import (
	"fmt"
	"testing"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/interfaces"
)

// BenchmarkCreateInterface fills subnets; the time of one must not grow with
// how full its subnet is.
func BenchmarkCreateInterface(b *testing.B) {
	a := account(b)
	subnets, err := a.DefaultSubnets(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		i, err := a.CreateInterface(b.Context(), interfaces.Request{SubnetID: subnets[0].ID, Owner: fmt.Sprint("task/", n)})
		if err != nil {
			b.Fatal(err)
		}
		if n++; n%3 == 0 {
			if err := a.DeleteInterface(b.Context(), i.ID); err != nil {
				b.Fatal(err)
			}
		}
		if n%6000 == 0 {
			b.StopTimer()
			for _, i := range records(b, a, ec2.Interfaces) {
				if err := a.DeleteInterface(b.Context(), i.ID); err != nil {
					b.Fatal(err)
				}
			}
			b.StartTimer()
		}
	}
}
