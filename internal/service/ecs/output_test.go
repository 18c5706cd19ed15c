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
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// TestOutputOfWhatEndedAtOnce: what a container wrote that ended before anybody
// looked is copied while the task goes on, not when it ends.
func TestOutputOfWhatEndedAtOnce(t *testing.T) {
	ends := func(c engine.Container) fake.Behaviour { return fake.Behaviour{Exits: c.Name == "migrate"} }
	ecstest.Play(t, fake.Config{Behave: ends}, func(w *ecstest.World) {
		in := ecstest.WebDefinition()
		another(types.ContainerDefinition{
			Name: aws.String("migrate"), Essential: aws.Bool(false),
			LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options()},
		})(in)
		in.ContainerDefinitions[0].DependsOn = []types.ContainerDependency{{ContainerName: aws.String("migrate"), Condition: types.ContainerConditionSuccess}}
		if _, err := w.API.RegisterTaskDefinition(w.T.Context(), in); err != nil {
			w.T.Fatal(err)
		}
		w.Runs(1)
		w.After(10 * time.Second)
		if got := w.Task().LastStatus; *got != "RUNNING" {
			w.T.Fatalf("the task is %s", *got)
		}
		jobs := w.Logs.Jobs()
		if !slices.ContainsFunc(jobs, func(j ship.Job) bool { return j.Container == "migrate" }) {
			w.T.Errorf("copied are only %+v", jobs)
		}
	})
}

// TestDefaultLogMode: a container whose options name no mode has a buffer,
// unless the account setting blocks; a task keeps what held when it was made.
func TestDefaultLogMode(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		root := caller.With(w.T.Context(), caller.Caller{ARN: "arn:aws:iam::111122223333:root"})
		in := ecstest.WebDefinition()
		in.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options()}
		for i, mode := range []string{"blocking", "non-blocking"} {
			another(types.ContainerDefinition{Name: aws.String(mode), LogConfiguration: &types.LogConfiguration{
				LogDriver: types.LogDriverAwslogs, Options: options("mode", mode, []string{"awslogs-create-group", "max-buffer-size"}[i], []string{"True", "2m"}[i]),
			}})(in)
		}
		if _, err := w.API.RegisterTaskDefinition(w.T.Context(), in); err != nil {
			w.T.Fatal(err)
		}
		// buffers runs a task and returns the sizes of its containers' buffers.
		buffers := func() map[string]int64 {
			w.Logs.Jobs()
			w.Runs(1)
			w.After(10 * time.Second)
			got := map[string]int64{}
			for _, j := range w.Logs.Jobs() {
				got[j.Container] = j.Buffer
			}
			return got
		}
		want := map[string]int64{"web": 10 << 20, "blocking": 0, "non-blocking": 2 << 20}
		if d := cmp.Diff(want, buffers()); d != "" {
			w.T.Errorf("by default: %s", d)
		}
		setting := types.SettingNameDefaultLogDriverMode
		if _, err := w.API.PutAccountSettingDefault(root, &sdk.PutAccountSettingDefaultInput{Name: setting, Value: aws.String("blocking")}); err != nil {
			w.T.Fatal(err)
		}
		want["web"] = 0
		if d := cmp.Diff(want, buffers()); d != "" {
			w.T.Errorf("with the account setting: %s", d)
		}
		w.Service(1)
		w.After(10 * time.Second)
		jobs := w.Logs.Jobs()
		if slices.ContainsFunc(jobs, func(j ship.Job) bool { return j.Container == "web" && j.Buffer != 0 }) {
			w.T.Errorf("a service's task has a buffer: %+v", jobs)
		}
	})
}
