package tidy

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// put writes the records of a running task, a stopped one, and a service.
func put(t *testing.T, db store.DB, running, stopped, deployed, retired string) {
	t.Helper()
	tasks := []ecs.Task{
		{ID: "a", Cluster: "c", Status: "RUNNING", Containers: []ecs.Container{{Name: "app", Pinned: running}, {Name: "new"}}},
		{ID: "b", Cluster: "c", Status: ecs.Stopped, Containers: []ecs.Container{{Name: "app", Pinned: stopped}}},
	}
	revisions := []ecs.ServiceRevision{
		{ID: "1", Service: "c/s", Images: map[string]string{"app": retired}},
		{ID: "2", Service: "c/s", Images: map[string]string{"app": deployed}},
	}
	err := db.Update(t.Context(), func(tx store.Tx) error {
		errs := []error{ecs.Deployments.Put(tx, "c/s/2", ecs.Deployment{ID: "ecs-svc/2", Service: "c/s"})}
		for _, task := range tasks {
			errs = append(errs, ecs.Tasks.Put(tx, task.Key(), task))
		}
		for _, r := range revisions {
			errs = append(errs, ecs.ServiceRevisions.Put(tx, r.Key(), r))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTidyKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db, e := memstore.New(), fake.New(fake.Config{})
		pull := func(name string) string {
			pinned, err := e.Pull(t.Context(), name, engine.Auth{})
			if err != nil {
				t.Fatal(err)
			}
			return pinned
		}
		running, stopped, deployed, retired := pull("running:v1"), pull("stopped:v1"), pull("deployed:v1"), pull("retired:v1")
		put(t, db, running, stopped, deployed, retired)
		var low atomic.Bool
		loop := New(db, e, low.Load, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- loop.Run(ctx) }()
		here := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			slices.Sort(want)
			if got := e.Images(); !slices.Equal(got, want) {
				t.Errorf("images %q, want %q", got, want)
			}
		}
		here(59*time.Minute, running, stopped, deployed, retired)
		here(32*time.Minute, running, deployed)
		fresh := pull("fresh:v1")
		low.Store(true)
		here(9*time.Minute, running, deployed, fresh)
		here(2*time.Minute, running, deployed)
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the loop ended with %v", err)
		}
	})
}
