package lb

import (
	"testing"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

func TestRead(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		fixed := elbv2.Action{Fixed: &elbv2.Fixed{Status: "404"}}
		for _, err := range []error{
			elbv2.LoadBalancers.Put(tx, "lb", elbv2.LoadBalancer{ARN: "lb"}),
			elbv2.Interfaces.Put(tx, "lb#a", elbv2.Interface{LoadBalancer: "lb"}),
			elbv2.TargetGroups.Put(tx, "tg", elbv2.TargetGroup{ARN: "tg"}),
			elbv2.Listeners.Put(tx, "l", elbv2.Listener{ARN: "l", LoadBalancer: "lb"}),
			elbv2.Rules.Put(tx, "r", elbv2.Rule{ARN: "r", Listener: "l", LoadBalancer: "lb", Action: fixed}),
			elbv2.Targets.Put(tx, "tg#t", elbv2.Target{Group: "tg", Addr: "172.31.0.5", Port: 80}),
		} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var in Input
	if err := db.View(t.Context(), func(tx store.Tx) error { return Read(tx, &in) }); err != nil {
		t.Fatal(err)
	}
	if len(in.Interfaces) != 1 {
		t.Errorf("%d interfaces", len(in.Interfaces))
	}
	table, err := Build(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(table.Listeners) != 1 || table.Listeners[0].Default.Fixed.Status != 404 || len(table.Pools) != 1 || len(table.Pools[0].Targets) != 1 {
		t.Errorf("table: %+v", table)
	}
}
