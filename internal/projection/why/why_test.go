package why_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// digits make an id out of one of them.
func taskID(digit string) string { return strings.Repeat(digit, 32) }

func fill(tx store.Tx) error {
	at := func(m int) time.Time { return time.Date(2026, 1, 1, 0, m, 0, 0, time.UTC) }
	service := func(cluster string) ecs.Service {
		return ecs.Service{Cluster: cluster, Name: "web", Status: ecs.Active}
	}
	task := func(digit string, age int, code types.TaskStopCode, reason string) ecs.Task {
		t := ecs.Task{
			ID: taskID(digit), Cluster: "default", Service: "default/web", Group: "service:web", TaskDefinition: "arn:…:task-definition/web:3",
			Status: ecs.Running, Desired: ecs.Running, CreatedAt: at(age),
			Containers: []ecs.Container{{Name: "web", Image: "web:1", Status: ecs.Running}},
		}
		if code != "" {
			t.Desired, t.Status, t.StopCode, t.Reason, t.StoppedAt = ecs.Stopped, ecs.Stopped, code, reason, at(age+1)
			t.Containers[0].Status, t.Containers[0].ExitCode = ecs.Stopped, aws.Int32(9)
		}
		return t
	}
	var errs []error
	for _, s := range []ecs.Service{service("default"), service("other")} {
		errs = append(errs, ecs.Services.Put(tx, s.Key(), s))
	}
	sd := ecs.ServiceDeployment{Service: "default/web", Target: "1"} // its id is "", and so is what the service's Current says
	d := ecs.Deployment{ID: ecs.DeploymentID("1"), Service: "default/web", Rollout: ecs.Rollout{State: "FAILED", Reason: "tasks failed to start."}}
	errs = append(errs, ecs.ServiceDeployments.Put(tx, sd.Key(), sd), ecs.Deployments.Put(tx, d.Key(), d))
	for i := range 7 {
		errs = append(errs, ecs.Events.Put(tx, fmt.Sprintf("default/web/%d", i), ecs.Event{Service: "default/web", At: at(i), Message: fmt.Sprint("event ", i)}))
	}
	for i, code := range []types.TaskStopCode{"", "ServiceSchedulerInitiated", "EssentialContainerExited", "TaskFailedToStart", "EssentialContainerExited", "EssentialContainerExited"} {
		t := task(fmt.Sprint(i), i, code, fmt.Sprint("reason ", i))
		errs = append(errs, ecs.Tasks.Put(tx, t.Key(), t))
	}
	errs = append(errs, ecs.Evidences.Put(tx, "default/"+taskID("5"), ecs.Evidence{Containers: []ecs.Remains{{Name: "web", Lines: []string{"panic"}, HealthLog: "refused", OOM: true}}}))
	return errors.Join(errs...)
}

func find(t *testing.T, ref, cluster string) (r why.Report, err error) {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Update(t.Context(), fill); err != nil {
		t.Fatal(err)
	}
	err = db.View(t.Context(), func(tx store.Tx) error {
		r, err = why.Details(tx, ref, cluster)
		return err
	})
	return r, err
}

func TestService(t *testing.T) {
	t.Parallel()
	r, err := find(t, "web", "")
	if err != nil {
		t.Fatal(err)
	}
	if r.Service == nil || r.Service.Rollout != "FAILED" || len(r.Service.Events) != 5 || !strings.HasSuffix(r.Service.Events[0], "event 6") {
		t.Errorf("service %+v", r.Service)
	}
	var told []string
	for _, task := range r.Tasks {
		told = append(told, task.Reason)
	}
	if got := strings.Join(told, ", "); got != "reason 5, reason 4, reason 3" {
		t.Errorf("it tells of %s", got)
	}
	c := r.Tasks[0].Containers[0]
	if *c.ExitCode != 9 || !c.OOM || c.HealthLog != "refused" || len(c.Lines) != 1 || r.Tasks[0].TaskDefinition != "web:3" {
		t.Errorf("task %+v", r.Tasks[0])
	}
	if other, err := find(t, "arn:aws:ecs:us-west-2:1:service/other/web", ""); err != nil || other.Service.Cluster != "other" || len(other.Tasks) != 0 {
		t.Errorf("the other one is %+v, %v", other, err)
	}
}

func TestTask(t *testing.T) {
	t.Parallel()
	for _, ref := range []string{taskID("2"), "222222", "arn:aws:ecs:us-west-2:1:task/default/" + taskID("2"), "default/22222222"} {
		r, err := find(t, ref, "")
		if err != nil || r.Service != nil || len(r.Tasks) != 1 || r.Tasks[0].Reason != "reason 2" || r.Tasks[0].StoppedAt == nil {
			t.Errorf("%s: %+v, %v", ref, r, err)
		}
	}
	for _, ref := range []string{"22222", "nobody", "other/222222", ""} {
		if r, err := find(t, ref, ""); !errors.Is(err, why.ErrNone) {
			t.Errorf("%q: %+v, %v", ref, r, err)
		}
	}
}
