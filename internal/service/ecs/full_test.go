package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/store"
)

// TestTasksStopOnAFullDisk: while the store takes ordinary writes no more, tasks
// stop, services get smaller and go, and nothing starts. What was put off is done
// when there is room.
func TestTasksStopOnAFullDisk(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		w.Service(3, ecstest.Balanced)
		w.After(ecstest.Sec(30))
		w.After(ecstest.Sec(10))
		w.Fill(true)
		_, err := w.API.CreateCluster(w.T.Context(), &sdk.CreateClusterInput{ClusterName: aws.String("more")})
		if !errors.Is(err, store.ErrFull) {
			w.T.Errorf("CreateCluster on a full disk: %v, want ErrFull", err)
		}
		scale := func(n int32) error {
			_, err := w.API.UpdateService(w.T.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: &n})
			return err
		}
		if err := scale(4); !errors.Is(err, store.ErrFull) {
			w.T.Errorf("a larger service on a full disk: %v, want ErrFull", err)
		}
		if err := scale(2); err != nil {
			w.T.Errorf("a smaller service on a full disk: %v", err)
		}
		w.After(ecstest.Sec(60))
		if n := len(w.Tasks(types.DesiredStatusRunning)); n != 2 || w.OnMachine() != 2 {
			w.T.Errorf("%d tasks, %d on the machine, want 2", n, w.OnMachine())
		}
		one := w.Tasks(types.DesiredStatusRunning)[0].TaskArn
		freeing := store.Freeing(w.T.Context()) // as the gateway does
		if _, err := w.API.StopTask(freeing, &sdk.StopTaskInput{Task: one}); err != nil {
			w.T.Errorf("StopTask on a full disk: %v", err)
		}
		w.After(ecstest.Sec(60))
		if w.Running() != 1 {
			w.T.Errorf("%d tasks run after StopTask, and none can be started: want 1", w.Running())
		}
		w.Fill(false)
		w.After(ecstest.Sec(90))
		if w.Running() != 2 {
			w.T.Errorf("%d tasks run when there is room, want 2", w.Running())
		}
		w.Fill(true)
		if _, err := w.API.DeleteService(freeing, &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}); err != nil {
			w.T.Errorf("DeleteService on a full disk: %v", err)
		}
		w.After(ecstest.Sec(120))
		if s := w.Describe(); *s.Status != "INACTIVE" || w.OnMachine() != 0 {
			w.T.Errorf("the service is %s, and %d tasks are on the machine", *s.Status, w.OnMachine())
		}
	})
}

// diskState is a disk that a test fills.
type diskState struct {
	mu         sync.Mutex
	near, over bool
	used       map[string]int64
	told       []string
}

func (d *diskState) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *diskState) Near() (is bool) { d.set(func() { is = d.near }); return is }

func (d *diskState) Over() (is bool) { d.set(func() { is = d.over }); return is }

func (d *diskState) Free() int64 { return 40 << 20 }

func (d *diskState) Ephemeral() bool { return true }

func (d *diskState) Metered(context.Context, string) (int64, error) { return 1 << 20, nil }

func (d *diskState) Used(_ context.Context, id string) (n int64, err error) {
	d.set(func() {
		var ok bool
		if n, ok = d.used[id]; !ok {
			err = fmt.Errorf("no file system %s", id)
		}
	})
	return n, err
}

func (d *diskState) Stopped(what string) { d.set(func() { d.told = append(d.told, what) }) }

// TestWhoFillsTheDiskIsStopped: of two tasks, the one that writes to a file system
// without end is stopped, once the disk is too full, and the other is not.
func TestWhoFillsTheDiskIsStopped(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		d := &diskState{used: map[string]int64{ecstest.Data: 1 << 20, ecstest.Shared: 50 << 30}}
		w.Halt()
		w.Disk = d
		w.Start()
		w.Define()
		w.Define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.Family = aws.String("greedy")
			in.Volumes = []types.Volume{
				{Name: aws.String("v"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: aws.String(ecstest.Data)}},
				{Name: aws.String("r"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: aws.String(ecstest.Shared)}},
			}
			in.ContainerDefinitions[0].MountPoints = []types.MountPoint{
				{SourceVolume: aws.String("v"), ContainerPath: aws.String("/v")},
				{SourceVolume: aws.String("r"), ContainerPath: aws.String("/r"), ReadOnly: aws.Bool(true)},
			}
		})
		w.Service(1)
		run := func() string {
			out, err := w.API.RunTask(w.T.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("greedy"), NetworkConfiguration: ecstest.Placed})
			if err != nil || len(out.Tasks) != 1 {
				w.T.Fatalf("RunTask: %v, %+v", err, out)
			}
			return *out.Tasks[0].TaskArn
		}
		greedy := run()
		w.After(ecstest.Sec(60))
		d.set(func() { d.near = true })
		w.After(ecstest.Sec(5))
		d.set(func() { d.over, d.used[ecstest.Data], d.used[ecstest.Shared] = true, 300<<20, 90<<30 })
		w.Fill(true) // it has come to that already
		w.After(ecstest.Sec(120))
		out, err := w.API.DescribeTasks(w.T.Context(), &sdk.DescribeTasksInput{Tasks: []string{greedy}})
		if err != nil {
			w.T.Fatal(err)
		}
		task := out.Tasks[0]
		why := aws.ToString(task.StoppedReason)
		if *task.LastStatus != "STOPPED" || !strings.Contains(why, "299 MiB to EFS file system "+ecstest.Data) || !strings.Contains(why, "40 MiB are left") {
			w.T.Errorf("the greedy task is %s: %q", *task.LastStatus, why)
		}
		if w.Running() != 1 {
			w.T.Errorf("%d tasks run, want the one that writes nothing", w.Running())
		}
		if len(d.told) != 1 || !strings.Contains(d.told[0], "299 MiB to EFS file system "+ecstest.Data) {
			w.T.Errorf("told: %q", d.told)
		}
	})
}
