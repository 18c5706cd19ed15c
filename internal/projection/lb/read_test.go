package lb

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

func TestSourcesAndRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		named := 0
		var wg sync.WaitGroup
		for _, s := range Sources(db) {
			wg.Go(func() {
				_ = s(ctx, func(key string) {
					mu.Lock()
					defer mu.Unlock()
					if named++; key != Key {
						t.Errorf("named %q", key)
					}
				})
			})
		}
		synctest.Wait()
		writes := []func(store.Tx) error{
			func(tx store.Tx) error { return elbv2.LoadBalancers.Put(tx, "lb", elbv2.LoadBalancer{ARN: "lb"}) },
			func(tx store.Tx) error {
				return elbv2.Interfaces.Put(tx, "lb#a", elbv2.Interface{LoadBalancer: "lb"})
			},
			func(tx store.Tx) error { return elbv2.TargetGroups.Put(tx, "tg", elbv2.TargetGroup{ARN: "tg"}) },
			func(tx store.Tx) error {
				return elbv2.Listeners.Put(tx, "l", elbv2.Listener{ARN: "l", LoadBalancer: "lb"})
			},
			func(tx store.Tx) error {
				fixed := elbv2.Action{Fixed: &elbv2.Fixed{Status: "404"}}
				return elbv2.Rules.Put(tx, "r", elbv2.Rule{ARN: "r", Listener: "l", LoadBalancer: "lb", Action: fixed})
			},
			func(tx store.Tx) error {
				return elbv2.Targets.Put(tx, "tg#t", elbv2.Target{Group: "tg", Addr: "172.31.0.5", Port: 80})
			},
		}
		for i, write := range writes {
			if err := db.Update(ctx, write); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if mu.Lock(); named <= i {
				t.Errorf("write %d was not noticed", i)
			}
			mu.Unlock()
		}
		var in Input
		if err := db.View(ctx, func(tx store.Tx) error { return Read(tx, &in) }); err != nil {
			t.Fatal(err)
		}
		table := Build(in)
		if len(table.Listeners) != 1 || table.Listeners[0].Default.Fixed.Status != 404 || len(table.Pools) != 1 || len(table.Pools[0].Targets) != 1 {
			t.Errorf("table: %+v", table)
		}
		cancel()
		wg.Wait()
	})
}
