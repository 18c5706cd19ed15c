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
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// fill makes the store full, or ends that.
func (w *world) fill(full bool) { w.db.(*memstore.DB).Fill(full) }

// TestTasksStopOnAFullDisk: while the store takes ordinary writes no more, tasks
// stop, services get smaller and go, and nothing starts. What was put off is done
// when there is room.
func TestTasksStopOnAFullDisk(t *testing.T) {
	play(t, fake.Config{}, func(w *world) {
		w.define()
		w.service(3, balanced)
		w.after(sec(30))
		w.after(sec(10))
		w.fill(true)
		_, err := w.api.CreateCluster(w.t.Context(), &sdk.CreateClusterInput{ClusterName: aws.String("more")})
		if !errors.Is(err, store.ErrFull) {
			w.t.Errorf("CreateCluster on a full disk: %v, want ErrFull", err)
		}
		scale := func(n int32) error {
			_, err := w.api.UpdateService(w.t.Context(), &sdk.UpdateServiceInput{Service: aws.String("web"), DesiredCount: &n})
			return err
		}
		if err := scale(4); !errors.Is(err, store.ErrFull) {
			w.t.Errorf("a larger service on a full disk: %v, want ErrFull", err)
		}
		if err := scale(2); err != nil {
			w.t.Errorf("a smaller service on a full disk: %v", err)
		}
		w.after(sec(60))
		if n := len(w.tasks(types.DesiredStatusRunning)); n != 2 || w.onMachine() != 2 {
			w.t.Errorf("%d tasks, %d on the machine, want 2", n, w.onMachine())
		}
		one := w.tasks(types.DesiredStatusRunning)[0].TaskArn
		freeing := store.Freeing(w.t.Context()) // as the gateway does
		if _, err := w.api.StopTask(freeing, &sdk.StopTaskInput{Task: one}); err != nil {
			w.t.Errorf("StopTask on a full disk: %v", err)
		}
		w.after(sec(60))
		if w.running() != 1 {
			w.t.Errorf("%d tasks run after StopTask, and none can be started: want 1", w.running())
		}
		w.fill(false)
		w.after(sec(90))
		if w.running() != 2 {
			w.t.Errorf("%d tasks run when there is room, want 2", w.running())
		}
		w.fill(true)
		if _, err := w.api.DeleteService(freeing, &sdk.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}); err != nil {
			w.t.Errorf("DeleteService on a full disk: %v", err)
		}
		w.after(sec(120))
		if s := w.describe(); *s.Status != "INACTIVE" || w.onMachine() != 0 {
			w.t.Errorf("the service is %s, and %d tasks are on the machine", *s.Status, w.onMachine())
		}
	})
}

// The file systems of a test.
const data, shared = "fs-0123456789abcdef0", "fs-0123456789abcdef1"

// onMachine counts the tasks that the engine has something of.
func (w *world) onMachine() int {
	w.t.Helper()
	all, err := w.eng.List(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return len(all)
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
func (d *diskState) Free() int64     { return 40 << 20 }
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
	play(t, fake.Config{}, func(w *world) {
		d := &diskState{used: map[string]int64{data: 1 << 20, shared: 50 << 30}}
		w.halt()
		w.press = d
		w.start()
		w.define()
		w.define(func(in *sdk.RegisterTaskDefinitionInput) {
			in.Family = aws.String("greedy")
			in.Volumes = []types.Volume{
				{Name: aws.String("v"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: aws.String(data)}},
				{Name: aws.String("r"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: aws.String(shared)}},
			}
			in.ContainerDefinitions[0].MountPoints = []types.MountPoint{
				{SourceVolume: aws.String("v"), ContainerPath: aws.String("/v")},
				{SourceVolume: aws.String("r"), ContainerPath: aws.String("/r"), ReadOnly: aws.Bool(true)},
			}
		})
		w.service(1)
		run := func() string {
			out, err := w.api.RunTask(w.t.Context(), &sdk.RunTaskInput{TaskDefinition: aws.String("greedy"), NetworkConfiguration: placed})
			if err != nil || len(out.Tasks) != 1 {
				w.t.Fatalf("RunTask: %v, %+v", err, out)
			}
			return *out.Tasks[0].TaskArn
		}
		greedy := run()
		w.after(sec(60))
		d.set(func() { d.near = true })
		w.after(sec(5))
		d.set(func() { d.over, d.used[data], d.used[shared] = true, 300<<20, 90<<30 })
		w.fill(true) // it has come to that already
		w.after(sec(120))
		out, err := w.api.DescribeTasks(w.t.Context(), &sdk.DescribeTasksInput{Tasks: []string{greedy}})
		if err != nil {
			w.t.Fatal(err)
		}
		task := out.Tasks[0]
		why := aws.ToString(task.StoppedReason)
		if *task.LastStatus != "STOPPED" || !strings.Contains(why, "299 MiB to EFS file system "+data) || !strings.Contains(why, "40 MiB are left") {
			w.t.Errorf("the greedy task is %s: %q", *task.LastStatus, why)
		}
		if w.running() != 1 {
			w.t.Errorf("%d tasks run, want the one that writes nothing", w.running())
		}
		if len(d.told) != 1 || !strings.Contains(d.told[0], "299 MiB to EFS file system "+data) {
			w.t.Errorf("told: %q", d.told)
		}
	})
}
