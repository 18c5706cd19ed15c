package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"golang.org/x/sys/unix"
)

// realDisk mounts a file system of that size on a disk: what is written to one in
// memory would count as the writer's memory.
func realDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	need(t)
	tmp := t.TempDir()
	image, dir := filepath.Join(tmp, "disk"), filepath.Join(tmp, "mnt")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"truncate -s " + size + " " + image, "mkfs.ext4 -q " + image, "mount -o loop " + image + " " + dir} {
		args := strings.Fields(line)
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			lack(t, line+": "+err.Error()+": "+string(out))
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestATaskFillsTheDisk: a task writes to a file system of EFS without end, also
// when it is to stop. It is stopped and told why; then, with no byte left, tasks
// and services stop, Skylift is killed and starts again, and traffic goes on.
// When there is room, all goes on.
func TestATaskFillsTheDisk(t *testing.T) {
	t.Parallel()
	disk := realDisk(t, "1G")
	s := prepare(t)
	s.dir = filepath.Join(disk, "data")
	s.serve(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	file, greedy := s.greedy(t, "")

	task := s.reaches(t, greedy, "STOPPED")
	if why := *task.StoppedReason; !strings.Contains(why, "the disk of this machine is nearly full") || !strings.Contains(why, "MiB to EFS file system fs-") {
		t.Errorf("the greedy task stopped with %q", why)
	}
	told := func(words string) {
		t.Helper()
		if p := s.status(t).Problems; !slices.ContainsFunc(p, func(p string) bool { return strings.Contains(p, words) }) {
			t.Errorf("status has no word of %q: %q", words, p)
		}
	}
	told("was stopped because the disk was nearly full")
	fill(t, disk) // what is left
	told("is full: free some space")
	full := func() {
		t.Helper()
		if code, message := s.awsErr(t, "ecs", "create-cluster", "--cluster-name", "full"); !strings.HasPrefix(code, "ServiceUnavailable") {
			t.Errorf("create-cluster: %s: %s", code, message)
		}
	}
	full()
	load.lossless(t)
	scale := func(n int32) error {
		_, err := s.clients().ecs.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: new("shop"), DesiredCount: &n})
		return err
	}
	if err := errors.Join(scale(1)); err != nil {
		t.Errorf("a smaller service: %v", err)
	}
	s.stable(t, "shop")

	s.kill9(t)
	s.restart(t)
	full()
	s.answers(t, "shop.test", "site=shop version=1")
	left := s.tasks(t)
	if len(left) != 1 {
		t.Fatalf("tasks: %v", left)
	}
	must(s.clients().ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &left[0]}))(t)
	s.reaches(t, left[0], "STOPPED")
	must(s.clients().ecs.DeleteService(t.Context(), &ecs.DeleteServiceInput{Service: new("shop"), Force: new(true)}))(t)
	waitFor(t, time.Minute, "the service to go", func() error {
		out, err := s.clients().ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{"shop"}})
		if err == nil && *out.Services[0].Status != "INACTIVE" {
			err = errors.New(*out.Services[0].Status)
		}
		return err
	})
	if c := s.containers(t); len(c) != 0 {
		t.Errorf("containers are left: %v", c)
	}

	if err := errors.Join(os.Remove(filepath.Join(disk, "ballast")), os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "records to be written", func() error {
		_, err := s.clients().ecs.CreateCluster(t.Context(), &ecs.CreateClusterInput{ClusterName: new("after")})
		return err
	})
	s.push(t, "shop", "after", "SITE=shop")
}

// TestStartsWhileATaskFillsTheDisk: Skylift is killed when the disk is full, and a
// task takes each byte that becomes free, though it has not written enough to be
// stopped for it. Skylift starts again all the same, over and over, and stops it.
func TestStartsWhileATaskFillsTheDisk(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "768m") // where what is freed is free at once
	s := prepare(t)
	s.dir = filepath.Join(disk, "data")
	s.serve(t)
	s.site(t, "shop", 1)
	file, greedy := s.greedy(t, "go")
	s.reaches(t, greedy, "RUNNING")
	ballast := fill(t, disk)
	if err := os.Truncate(ballast, must(os.Stat(ballast))(t).Size()-4<<20); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 20*time.Second, "the task to take what is left", func() error {
		var fs unix.Statfs_t
		if err := unix.Statfs(disk, &fs); err != nil || fs.Bavail > 0 {
			return errors.Join(err, errors.New("there is room"))
		}
		return nil
	})
	for range 3 {
		s.kill9(t)
		s.restart(t)
		s.answers(t, "shop.test", "site=shop version=1")
		if task := s.task(t, greedy); *task.LastStatus != "RUNNING" {
			t.Fatalf("the task is %s: %s", *task.LastStatus, *task.StoppedReason)
		}
	}
	must(s.clients().ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: &greedy}))(t)
	s.reaches(t, greedy, "STOPPED")
}

// greedy runs a task that fills a file system of EFS, and doesn't mind SIGTERM. It
// returns the file that it writes to. In a directory, it begins when that is made.
func (s *skylift) greedy(t *testing.T, dir string) (file, arn string) {
	t.Helper()
	fs := s.aws(t, "efs", "create-file-system", "--creation-token", "greedy", "--query", "FileSystemId", "--output", "text")
	waitFor(t, 20*time.Second, "the mount target", func() error {
		_, err := s.awsRun("efs", "create-mount-target", "--file-system-id", fs, "--subnet-id", s.subnets(t)[0])
		return err
	})
	waitFor(t, 20*time.Second, "the mount target to be available", func() error {
		state := s.aws(t, "efs", "describe-mount-targets", "--file-system-id", fs, "--query", "MountTargets[0].LifeCycleState", "--output", "text")
		if state != "available" {
			return errors.New(state)
		}
		return nil
	})
	image := s.push(t, "greedy", "latest")
	arn = s.runTask(t, s.define(t, "greedy", image, environment("FILL="+filepath.Join("/data", dir, "big"), "DEAF=yes"), func(in *ecs.RegisterTaskDefinitionInput) {
		in.Volumes = []ecstypes.Volume{{Name: new("data"), EfsVolumeConfiguration: &ecstypes.EFSVolumeConfiguration{FileSystemId: &fs}}}
		in.ContainerDefinitions[0].MountPoints = []ecstypes.MountPoint{{SourceVolume: new("data"), ContainerPath: new("/data")}}
	}))
	return filepath.Join(s.dir, "efs", fs, dir, "big"), arn
}
