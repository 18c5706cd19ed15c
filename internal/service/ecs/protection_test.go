package ecs_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

func TestTaskProtection(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(2)
		w.After(ecstest.Sec(5))
		task := *w.Tasks(types.DesiredStatusRunning)[0].TaskArn

		if p, _ := w.Protection(task); p.ProtectionEnabled || p.ExpirationDate != nil || *p.TaskArn != task {
			t.Errorf("before: %+v", p)
		}
		begun := time.Now()
		for _, tt := range []struct{ minutes, want int32 }{{0, 120}, {1, 1}, {2880, 2880}} {
			want := begun.Add(time.Duration(tt.want) * time.Minute)
			out := w.Protect(tt.minutes, task)
			if len(out.Failures) != 0 || len(out.ProtectedTasks) != 1 || !out.ProtectedTasks[0].ProtectionEnabled || !out.ProtectedTasks[0].ExpirationDate.Equal(want) {
				t.Errorf("protect for %d: got %+v, want until %v", tt.minutes, out, want)
			}
			if p, _ := w.Protection(task); !p.ProtectionEnabled || !p.ExpirationDate.Equal(want) {
				t.Errorf("protected for %d: got %+v, want until %v", tt.minutes, p, want)
			}
		}
		off, err := w.API.UpdateTaskProtection(t.Context(), &sdk.UpdateTaskProtectionInput{Cluster: aws.String("default"), Tasks: []string{task}})
		if err != nil || off.ProtectedTasks[0].ProtectionEnabled || off.ProtectedTasks[0].ExpirationDate != nil {
			t.Errorf("taken back: %v, %+v", err, off)
		}
		if p, _ := w.Protection(task); p.ProtectionEnabled || p.ExpirationDate != nil {
			t.Errorf("after it was taken back: %+v", p)
		}
		w.Protect(1, task)
		w.After(time.Minute)
		if p, _ := w.Protection(task); p.ProtectionEnabled || p.ExpirationDate != nil {
			t.Errorf("after it has expired: %+v", p)
		}
	})
}

func TestTaskProtectionFailures(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(1)
		ran, err := w.API.RunTask(t.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: ecstest.Placed})
		if err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(5))
		tasks := w.Tasks(types.DesiredStatusRunning)
		own := tasks[slices.IndexFunc(tasks, func(t types.Task) bool { return *t.Group == "service:web" })]
		alone := *ran.Tasks[0].TaskArn
		gone := ours + "task/default/" + someID
		out := w.Protect(0, someID, alone, *own.TaskArn)
		var got []string
		for _, f := range out.Failures {
			got = append(got, *f.Arn+" "+*f.Reason)
		}
		want := []string{gone + " MISSING", alone + " TASK_NOT_VALID"}
		if !slices.Equal(got, want) || len(out.ProtectedTasks) != 1 || *out.ProtectedTasks[0].TaskArn != *own.TaskArn {
			t.Errorf("got %v and %+v, want %v and %s", got, out.ProtectedTasks, want, *own.TaskArn)
		}
		for task, want := range map[string]string{gone: want[0], alone: want[1]} {
			if _, why := w.Protection(task); why != want {
				t.Errorf("get %s: got %q, want %q", task, why, want)
			}
		}
		if _, err := w.API.StopTask(t.Context(), &sdk.StopTaskInput{Task: own.TaskArn}); err != nil {
			t.Fatal(err)
		}
		if out := w.Protect(0, *own.TaskArn); len(out.Failures) != 1 || *out.Failures[0].Reason != "TASK_NOT_VALID" {
			t.Errorf("a task that is to stop: got %+v", out)
		}
	})
}

// TestTooManyProtected: no more tasks can be protected than are wanted, so that
// a service can come down to its count.
func TestTooManyProtected(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(3)
		w.After(ecstest.Sec(5))
		var arns []string
		for _, t := range w.Tasks(types.DesiredStatusRunning) {
			arns = append(arns, *t.TaskArn)
		}
		w.Halt() // nothing is scaled in meanwhile
		if _, err := w.API.UpdateService(t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(2)}); err != nil {
			t.Fatal(err)
		}
		out := w.Protect(0, arns...)
		if len(out.ProtectedTasks) != 2 || len(out.Failures) != 1 || *out.Failures[0].Arn != arns[2] || *out.Failures[0].Reason != "DEPLOYMENT_BLOCKED" {
			t.Errorf("got %+v, want the third to be refused", out)
		}
	})
}

func TestBadTaskProtection(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		many := func(n int) (ids []string) {
			for i := range n {
				ids = append(ids, fmt.Sprintf("%032x", i))
			}
			return ids
		}
		tests := []struct {
			name    string
			tasks   []string
			cluster string
			minutes *int32
			code    string
			want    string
		}{
			{"none", nil, "default", nil, badCode, "Tasks cannot be empty."},
			{"too many", many(11), "default", nil, badCode, "at most 10"},
			{"no time", many(1), "default", aws.Int32(0), badCode, "between 1 and 2880"},
			{"too long", many(1), "default", aws.Int32(2881), badCode, "between 1 and 2880"},
			{"no such cluster", many(1), "other", nil, "ClusterNotFoundException", "Cluster not found."},
			{"no id", []string{"x"}, "default", nil, badCode, "taskId length"},
		}
		for _, tt := range tests {
			_, err := w.API.UpdateTaskProtection(t.Context(), &sdk.UpdateTaskProtectionInput{Cluster: &tt.cluster, Tasks: tt.tasks, ProtectionEnabled: true, ExpiresInMinutes: tt.minutes})
			wantError(t, err, tt.code, tt.want)
		}
		_, err := w.API.GetTaskProtection(t.Context(), &sdk.GetTaskProtectionInput{Cluster: aws.String("default"), Tasks: many(101)})
		wantError(t, err, badCode, "at most 100")
		_, err = w.API.GetTaskProtection(t.Context(), &sdk.GetTaskProtectionInput{Cluster: aws.String("default")})
		wantError(t, err, badCode, "Tasks cannot be empty.")
	})
}
