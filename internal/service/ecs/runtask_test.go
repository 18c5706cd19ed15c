package ecs_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

// TestOverrides runs a task with everything overridden that can be: the API and
// the engine agree on what it is.
func TestOverrides(t *testing.T) {
	var mu sync.Mutex
	var ran []engine.Container
	script := fake.Config{Behave: func(c engine.Container) fake.Behaviour {
		mu.Lock()
		defer mu.Unlock()
		ran = append(ran, c)
		return fake.Behaviour{}
	}}
	ecstest.Play(t, script, func(w *ecstest.World) {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
			c := &in.ContainerDefinitions[0]
			c.Cpu, c.Memory, c.Command = 64, aws.Int32(256), []string{"serve"}
			c.Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("1")}, {Name: aws.String("B"), Value: aws.String("2")}}
		})
		out, err := w.Launch(func(in *sdk.RunTaskInput) {
			in.Overrides = &types.TaskOverride{
				Cpu: aws.String("1 vCPU"), Memory: aws.String("2048"), EphemeralStorage: &types.EphemeralStorage{SizeInGiB: 30},
				ContainerOverrides: []types.ContainerOverride{{
					Name: aws.String("web"), Command: []string{"migrate", "--all"}, Cpu: aws.Int32(512), Memory: aws.Int32(1024), MemoryReservation: aws.Int32(300),
					Environment: []types.KeyValuePair{{Name: aws.String("B"), Value: aws.String("3")}, {Name: aws.String("C"), Value: aws.String("4")}},
				}},
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(5))
		is := w.Tasks(types.DesiredStatusRunning)[0]
		c := is.Containers[0]
		got := []any{*is.Cpu, *is.Memory, is.EphemeralStorage.SizeInGiB, *c.Cpu, *c.Memory, *c.MemoryReservation, is.Overrides.ContainerOverrides[0].Command[0], *out.Tasks[0].Cpu}
		if d := cmp.Diff([]any{"1024", "2048", int32(30), "512", "1024", "300", "migrate", "1024"}, got); d != "" {
			t.Errorf("the API: %s", d)
		}
		plain, err := w.Launch(func(*sdk.RunTaskInput) {})
		if o := plain.Tasks[0].Overrides.ContainerOverrides; err != nil || len(o) != 1 || *o[0].Name != "web" || o[0].Command != nil {
			t.Errorf("overrides of a task that has none: %+v %v", o, err)
		}
		mu.Lock()
		defer mu.Unlock()
		runs := ran[0]
		env := slices.DeleteFunc(slices.Clone(runs.Env), func(v string) bool { return len(v) != len("A=1") })
		gotten := []any{runs.CPU, runs.Memory, runs.MemoryReservation, strings.Join(runs.Command, " "), strings.Join(env, " ")}
		if d := cmp.Diff([]any{512, int64(1024), int64(300), "migrate --all", "A=1 B=3 C=4"}, gotten); d != "" {
			t.Errorf("the engine: %s", d)
		}
	})
}

func TestBadRunTask(t *testing.T) {
	over := func(o types.TaskOverride) func(*sdk.RunTaskInput) {
		return func(in *sdk.RunTaskInput) { in.Overrides = &o }
	}
	web := func(c types.ContainerOverride) func(*sdk.RunTaskInput) {
		c.Name = aws.String("web")
		return over(types.TaskOverride{ContainerOverrides: []types.ContainerOverride{c}})
	}
	long := func(n int) func(*sdk.RunTaskInput) {
		return web(types.ContainerOverride{Command: []string{strings.Repeat("x", n)}})
	}
	wrap := len(`{"containerOverrides":[{"name":"web","command":[""]}]}`)
	tests := []struct {
		name   string
		change func(*sdk.RunTaskInput)
		want   string
	}{
		{"pair", over(types.TaskOverride{Cpu: aws.String("4096")}), "No Fargate configuration exists for given values"},
		{"cpu of the containers", web(types.ContainerOverride{Cpu: aws.Int32(257)}), "greater than the task-level 'cpu' value"},
		{"negative cpu", web(types.ContainerOverride{Cpu: aws.Int32(-1)}), "'cpu'"},
		{"memory", web(types.ContainerOverride{Memory: aws.Int32(513)}), "'memory' setting for container 'web' is greater than for the task."},
		{"little memory", web(types.ContainerOverride{Memory: aws.Int32(5)}), "at least 6 MiB"},
		{"reservation", web(types.ContainerOverride{Memory: aws.Int32(64), MemoryReservation: aws.Int32(65)}), "'memoryReservation'"},
		{"storage", over(types.TaskOverride{EphemeralStorage: &types.EphemeralStorage{SizeInGiB: 20}}), "at least 21"},
		{"accelerator", over(types.TaskOverride{InferenceAcceleratorOverrides: []types.InferenceAcceleratorOverride{{}}}), "'overrides.inferenceAcceleratorOverrides'"}, //nolint:staticcheck // deprecated by AWS, so refused
		{"environment file", web(types.ContainerOverride{EnvironmentFiles: []types.EnvironmentFile{{Type: "s3", Value: aws.String("x.env")}}}), "must be the ARN of an object"},
		{"resource", web(types.ContainerOverride{ResourceRequirements: []types.ResourceRequirement{{}}}), "'overrides.containerOverrides.web.resourceRequirements'"},
		{"variable", web(types.ContainerOverride{Environment: []types.KeyValuePair{{Name: aws.String("A=B")}}}), "environment variable's name"},
		{"container twice", over(types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("web")}, {Name: aws.String("web")}}}), "more than once"},
		{"length", long(8193 - wrap), "Container Overrides length must be at most 8192"},
		{"group", func(in *sdk.RunTaskInput) { in.Group = aws.String("family:web") }, "reserved"},
		{"by", func(in *sdk.RunTaskInput) { in.StartedBy = aws.String(strings.Repeat("x", 129)) }, "startedBy"},
		{"token", func(in *sdk.RunTaskInput) { in.ClientToken = aws.String("a b") }, "clientToken"},
		{"long token", func(in *sdk.RunTaskInput) { in.ClientToken = aws.String(strings.Repeat("x", 65)) }, "clientToken"},
		{"tags of a service", func(in *sdk.RunTaskInput) { in.PropagateTags = types.PropagateTagsService }, "PropagateTags"},
		{"reference", func(in *sdk.RunTaskInput) { in.ReferenceId = aws.String("x") }, "'referenceId'"},
		{"volume", func(in *sdk.RunTaskInput) { in.VolumeConfigurations = []types.TaskVolumeConfiguration{{}} }, "'volumeConfigurations'"},
		{"on instances", func(in *sdk.RunTaskInput) { in.LaunchType = types.LaunchTypeEc2 }, "No Container Instances were found in your cluster."},
		{"too many tags in all", func(in *sdk.RunTaskInput) {
			in.PropagateTags, in.Tags = types.PropagateTagsTaskDefinition, manyTags("run", 50)
		}, "The maximum number of tags per resource is 50."},
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) { in.Tags = manyTags("definition", 1) })
		for _, tt := range tests {
			t.Log(tt.name)
			_, err := w.Launch(tt.change)
			wantError(t, err, badCode, tt.want)
		}
		if left := w.Tasks(types.DesiredStatusRunning); len(left) != 0 {
			t.Errorf("started all the same: %v", taskARNs(left))
		}
		if _, err := w.Launch(long(8192 - wrap)); err != nil {
			t.Errorf("overrides of just 8192 characters: %v", err)
		}
	})
}

// manyTags makes n tags.
func manyTags(name string, n int) (tags []types.Tag) {
	for i := range n {
		tags = append(tags, types.Tag{Key: aws.String(name + strings.Repeat("x", i)), Value: aws.String("v")})
	}
	return tags
}

// TestTokenEnds uses a client token again and again: it stands for its tasks
// for a day, or until an hour after the last of them stopped.
func TestTokenEnds(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		start := func(n int32) ([]types.Task, error) {
			out, err := w.Launch(func(in *sdk.RunTaskInput) { in.ClientToken, in.Count = aws.String("nightly"), &n })
			if err != nil {
				return nil, err
			}
			return out.Tasks, nil
		}
		same := func(want []types.Task) {
			t.Helper()
			got, err := start(int32(len(want)))
			sorted := func(tasks []types.Task) []string { return slices.Sorted(slices.Values(taskARNs(tasks))) }
			if err != nil || cmp.Diff(sorted(want), sorted(got)) != "" {
				t.Errorf("again: %v %s", err, cmp.Diff(sorted(want), sorted(got)))
			}
		}
		stop := func(is types.Task) {
			if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: is.TaskArn}); err != nil {
				t.Fatal(err)
			}
		}
		first, err := start(2)
		if err != nil {
			t.Fatal(err)
		}
		w.After(time.Hour)
		same(first)
		stop(first[0])
		w.After(2 * time.Hour)
		same(first) // the other one runs
		stop(first[1])
		w.After(50 * time.Minute)
		same(first)
		if _, err := start(1); err == nil {
			t.Error("another request with the same token is taken")
		}
		w.After(15 * time.Minute)
		second, err := start(1)
		if err != nil || *second[0].TaskArn == *first[0].TaskArn {
			t.Fatalf("an hour after the end: %v %v", second, err)
		}
		w.After(23 * time.Hour)
		same(second)
		w.After(2 * time.Hour)
		if third, err := start(1); err != nil || *third[0].TaskArn == *second[0].TaskArn {
			t.Errorf("after a day: %v %v", third, err)
		}
		if n := len(w.Tasks(types.DesiredStatusRunning)); n != 2 {
			t.Errorf("%d tasks run, want those of the second and the third day", n)
		}
	})
}

// TestTokenOutlivesItsTasks stops describing tasks after a minute: the token
// still stands for them, and nothing is started twice.
func TestTokenOutlivesItsTasks(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Retention = time.Minute
		w.Halt()
		w.Start()
		w.Define()
		once := func(in *sdk.RunTaskInput) { in.ClientToken = aws.String("once") }
		first, err := w.Launch(once)
		if err != nil {
			t.Fatal(err)
		}
		w.After(ecstest.Sec(5))
		if _, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: first.Tasks[0].TaskArn}); err != nil {
			t.Fatal(err)
		}
		w.After(30 * time.Minute)
		if left := w.Tasks(types.DesiredStatusStopped); len(left) != 0 {
			t.Errorf("after half an hour %d are described", len(left))
		}
		again, err := w.Launch(once)
		if err != nil || len(again.Tasks) != 1 || *again.Tasks[0].TaskArn != *first.Tasks[0].TaskArn || *again.Tasks[0].LastStatus != "STOPPED" {
			t.Errorf("again: %+v %v", again, err)
		}
		w.After(31 * time.Minute)
		if later, err := w.Launch(once); err != nil || *later.Tasks[0].TaskArn == *first.Tasks[0].TaskArn {
			t.Errorf("after an hour: %+v %v", later, err)
		}
	})
}

func TestStopTaskReason(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		for _, tt := range []struct{ reason, want string }{{"", "Task stopped by user"}, {"enough", "enough"}, {strings.Repeat("ü", 1024), strings.Repeat("ü", 1024)}} {
			out, err := w.Launch(func(*sdk.RunTaskInput) {})
			if err != nil {
				t.Fatal(err)
			}
			is, err := w.API.StopTask(w.T.Context(), &sdk.StopTaskInput{Task: out.Tasks[0].TaskArn, Reason: &tt.reason})
			if err != nil || *is.Task.StoppedReason != tt.want || is.Task.StopCode != types.TaskStopCodeUserInitiated {
				t.Errorf("%q: %v %v", tt.reason, is, err)
			}
			wantError(t, call((*api.API).StopTask, &sdk.StopTaskInput{Task: out.Tasks[0].TaskArn, Reason: aws.String(strings.Repeat("x", 1025))})(w), badCode, "1024")
		}
	})
}
