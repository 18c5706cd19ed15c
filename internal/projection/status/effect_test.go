package status

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// TestNoEffect reads what records keep: one entry for each kind, with all that ask for it.
func TestNoEffect(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	var in Input
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, err := range []error{
			ecs.Clusters.Put(tx, "a", ecs.Cluster{Name: "a", Status: ecs.Active, Insights: "enabled"}),
			ecs.Clusters.Put(tx, "b", ecs.Cluster{Name: "b", Status: ecs.Active, Insights: "enhanced"}),
			ecs.Clusters.Put(tx, "c", ecs.Cluster{Name: "c", Status: ecs.Active, Insights: "disabled"}),
			ecs.Clusters.Put(tx, "d", ecs.Cluster{Name: "d", Status: ecs.Inactive, Insights: "enabled"}),
			ecs.Tasks.Put(tx, "a/1", ecs.Task{ID: "1", Cluster: "a", Status: ecs.Running, ExecuteCommand: true}),
			ecs.Tasks.Put(tx, "a/2", ecs.Task{ID: "2", Cluster: "a", Status: ecs.Stopped, ExecuteCommand: true}),
			efs.FileSystems.Put(tx, "fs-1", efs.FileSystem{ID: "fs-1", Backup: "ENABLED", PerformanceMode: "generalPurpose", ThroughputMode: "elastic"}),
			record.RepositoryRows.Put(tx, "app", record.Repository{Name: "app", ScanOnPush: true}),
			record.RepositoryRows.Put(tx, "other", record.Repository{Name: "other"}),
			elbv2.LoadBalancers.Put(tx, "lb", elbv2.LoadBalancer{ARN: "lb", Name: "lb", Attributes: map[string]string{"routing.http2.enabled": "false", "waf.fail_open.enabled": "false"}}),
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
	want := map[string][]string{
		"containerInsights": {"a", "b"}, "enableExecuteCommand": {"a/1"}, "backup": {"fs-1"},
	}
	for _, scans := range []bool{true, false} {
		if err := db.View(t.Context(), func(tx store.Tx) (err error) { in.wishes, err = readWishes(tx, scans); return err }); err != nil {
			t.Fatal(err)
		}
		got := map[string][]string{}
		for _, e := range noEffect(in.wishes) {
			got[e.What] = e.Resources
			if e.Why == "" {
				t.Errorf("%s: no reason", e.What)
			}
		}
		if !scans {
			want["scanOnPush"] = []string{"app"}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("scans %v (-want +got):\n%s", scans, d)
		}
	}
}
