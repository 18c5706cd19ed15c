package ecstest

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Containers puts a definition of web with these containers into the store.
func (w *World) Containers(cs ...types.ContainerDefinition) {
	w.T.Helper()
	w.Define()
	for i := range cs {
		if cs[i].Image == nil {
			cs[i].Image = aws.String("example.test/" + *cs[i].Name)
		}
		if cs[i].Essential == nil {
			cs[i].Essential = aws.Bool(true)
		}
	}
	w.Amend(func(d *types.TaskDefinition) { d.ContainerDefinitions = cs })
}

// Amend changes the first revision of web in the store.
func (w *World) Amend(change func(*types.TaskDefinition)) {
	w.T.Helper()
	err := w.DB.Update(w.T.Context(), func(tx store.Tx) error {
		d, err := ecs.Definitions.Get(tx, ecs.DefinitionKey("web", 1))
		if err != nil {
			return err
		}
		change(&d.Definition)
		return ecs.Definitions.Put(tx, ecs.DefinitionKey("web", 1), d)
	})
	if err != nil {
		w.T.Fatal(err)
	}
}

// Task returns the only task.
func (w *World) Task() types.Task {
	w.T.Helper()
	all := append(w.Tasks(types.DesiredStatusRunning), w.Tasks(types.DesiredStatusStopped)...)
	if len(all) != 1 {
		w.T.Fatalf("%d tasks, want 1", len(all))
	}
	return all[0]
}

// Looks describes a task in a line.
func Looks(t types.Task) string {
	var out strings.Builder
	out.WriteString(*t.LastStatus)
	if t.StopCode != "" {
		fmt.Fprintf(&out, " %s %q", t.StopCode, *t.StoppedReason)
	}
	for _, c := range t.Containers {
		fmt.Fprintf(&out, "; %s %s", *c.Name, *c.LastStatus)
		if c.ExitCode != nil {
			fmt.Fprintf(&out, " %d", *c.ExitCode)
		}
		if c.Reason != nil {
			fmt.Fprintf(&out, " %q", *c.Reason)
		}
	}
	return out.String()
}

// Want holds the one task, as Looks describes it, against want.
func (w *World) Want(when, want string) {
	w.T.Helper()
	if got := Looks(w.Task()); got != want {
		w.T.Errorf("%s:\n got %s\nwant %s", when, got, want)
	}
}

// Tasks returns the tasks with that desired status.
func (w *World) Tasks(desired types.DesiredStatus) []types.Task {
	w.T.Helper()
	l, err := w.API.ListTasks(w.T.Context(), &sdk.ListTasksInput{DesiredStatus: desired})
	if err != nil {
		w.T.Fatal(err)
	}
	if len(l.TaskArns) == 0 {
		return nil
	}
	out, err := w.API.DescribeTasks(w.T.Context(), &sdk.DescribeTasksInput{Tasks: l.TaskArns})
	if err != nil {
		w.T.Fatal(err)
	}
	return out.Tasks
}

// Running counts the tasks that are RUNNING and are to be.
func (w *World) Running() (n int) {
	w.T.Helper()
	for _, task := range w.Tasks(types.DesiredStatusRunning) {
		if *task.LastStatus == "RUNNING" {
			n++
		}
	}
	return n
}

// List lists tasks, so many at a time.
func (w *World) List(in sdk.ListTasksInput, page int32) (arns []string) {
	w.T.Helper()
	in.MaxResults = &page
	for {
		out, err := w.API.ListTasks(w.T.Context(), &in)
		if err != nil {
			w.T.Fatal(err)
		}
		if len(out.TaskArns) > int(page) || out.NextToken != nil && len(out.TaskArns) == 0 {
			w.T.Errorf("a page of %d has %d tasks, and a token for more", page, len(out.TaskArns))
		}
		arns = append(arns, out.TaskArns...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return arns
		}
	}
}

// Protect asks for the protection of tasks for so many minutes, as long as
// usual when 0.
func (w *World) Protect(minutes int32, tasks ...string) *sdk.UpdateTaskProtectionOutput {
	w.T.Helper()
	in := &sdk.UpdateTaskProtectionInput{Cluster: aws.String("default"), Tasks: tasks, ProtectionEnabled: true}
	if minutes > 0 {
		in.ExpiresInMinutes = &minutes
	}
	out, err := w.API.UpdateTaskProtection(w.T.Context(), in)
	if err != nil {
		w.T.Fatal(err)
	}
	return out
}

// Protection asks for what is known of a task's protection.
func (w *World) Protection(task string) (types.ProtectedTask, string) {
	w.T.Helper()
	out, err := w.API.GetTaskProtection(w.T.Context(), &sdk.GetTaskProtectionInput{Cluster: aws.String("default"), Tasks: []string{task}})
	if err != nil || len(out.ProtectedTasks)+len(out.Failures) != 1 {
		w.T.Fatalf("get protection: %v, %+v", err, out)
	}
	if len(out.Failures) > 0 {
		return types.ProtectedTask{}, *out.Failures[0].Arn + " " + *out.Failures[0].Reason
	}
	return out.ProtectedTasks[0], ""
}

// Runs asks for count tasks of web.
func (w *World) Runs(count int32, change ...func(*sdk.RunTaskInput)) *sdk.RunTaskOutput {
	w.T.Helper()
	in := &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: Placed, Count: &count}
	for _, c := range change {
		c(in)
	}
	out, err := w.API.RunTask(w.T.Context(), in)
	if err != nil {
		w.T.Fatal(err)
	}
	return out
}

// StopTask stops a task.
func (w *World) StopTask(arn *string) {
	w.T.Helper()
	if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: arn}); err != nil {
		w.T.Fatal(err)
	}
}

// Launch starts a task of web, as change says.
func (w *World) Launch(change func(*sdk.RunTaskInput)) (*sdk.RunTaskOutput, error) {
	in := &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: Placed}
	change(in)
	if err := Unsupported(w, in); err != nil {
		return nil, err
	}
	return w.API.RunTask(w.T.Context(), in)
}

// Run starts a task of web.
func (w *World) Run() types.Task {
	w.T.Helper()
	out, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("web"), NetworkConfiguration: Placed})
	if err != nil {
		w.T.Fatal(err)
	}
	return out.Tasks[0]
}
