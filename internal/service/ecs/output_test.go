package ecs_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// TestOutputOfWhatEndedAtOnce: what a container wrote that ended before anybody
// looked is copied while the task goes on, not when it ends.
func TestOutputOfWhatEndedAtOnce(t *testing.T) {
	ends := func(c engine.Container) fake.Behaviour { return fake.Behaviour{Exits: c.Name == "migrate"} }
	play(t, fake.Config{Behave: ends}, func(w *world) {
		in := webDefinition()
		another(types.ContainerDefinition{
			Name: aws.String("migrate"), Essential: aws.Bool(false),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options()},
		})(in)
		in.ContainerDefinitions[0].DependsOn = []types.ContainerDependency{{ContainerName: aws.String("migrate"), Condition: types.ContainerConditionSuccess}}
		if _, err := w.api.RegisterTaskDefinition(w.t.Context(), in); err != nil {
			w.t.Fatal(err)
		}
		w.runs(1)
		w.after(10 * time.Second)
		if got := w.task().LastStatus; *got != "RUNNING" {
			w.t.Fatalf("the task is %s", *got)
		}
		w.logs.mu.Lock()
		defer w.logs.mu.Unlock()
		if !slices.ContainsFunc(w.logs.followed, func(j ship.Job) bool { return j.Container == "migrate" }) {
			w.t.Errorf("copied are only %+v", w.logs.followed)
		}
	})
}

// TestDefaultLogMode: a container whose options name no mode has a buffer,
// unless the account setting blocks; a task keeps what held when it was made.
func TestDefaultLogMode(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		root := caller.With(w.t.Context(), caller.Caller{ARN: "arn:aws:iam::111122223333:root"})
		in := webDefinition()
		in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options()}
		for i, mode := range []string{"blocking", "non-blocking"} {
			another(types.ContainerDefinition{Name: aws.String(mode), LogConfiguration: &types.LogConfiguration{
				LogDriver: types.LogDriverAwslogs, Options: options("mode", mode, []string{"awslogs-create-group", "max-buffer-size"}[i], []string{"True", "2m"}[i]),
			}})(in)
		}
		if _, err := w.api.RegisterTaskDefinition(w.t.Context(), in); err != nil {
			w.t.Fatal(err)
		}
		// buffers runs a task and returns the sizes of its containers' buffers.
		buffers := func() map[string]int64 {
			w.logs.mu.Lock()
			w.logs.followed = nil
			w.logs.mu.Unlock()
			w.runs(1)
			w.after(10 * time.Second)
			w.logs.mu.Lock()
			defer w.logs.mu.Unlock()
			got := map[string]int64{}
			for _, j := range w.logs.followed {
				got[j.Container] = j.Buffer
			}
			return got
		}
		want := map[string]int64{"web": 10 << 20, "blocking": 0, "non-blocking": 2 << 20}
		if d := cmp.Diff(want, buffers()); d != "" {
			w.t.Errorf("by default: %s", d)
		}
		setting := types.SettingNameDefaultLogDriverMode
		if _, err := w.api.PutAccountSettingDefault(root, &sdk.PutAccountSettingDefaultInput{Name: setting, Value: aws.String("blocking")}); err != nil {
			w.t.Fatal(err)
		}
		want["web"] = 0
		if d := cmp.Diff(want, buffers()); d != "" {
			w.t.Errorf("with the account setting: %s", d)
		}
		w.service(1)
		w.after(10 * time.Second)
		w.logs.mu.Lock()
		defer w.logs.mu.Unlock()
		if slices.ContainsFunc(w.logs.followed, func(j ship.Job) bool { return j.Container == "web" && j.Buffer != 0 }) {
			w.t.Errorf("a service's task has a buffer: %+v", w.logs.followed)
		}
	})
}
