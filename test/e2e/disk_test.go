package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a file system of that many MiB.
func smallDisk(t *testing.T, size string) (dir string) {
	t.Helper()
	need(t)
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		lack(t, "can't mount: "+err.Error())
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all of the disk; removing the file gives it back.
func fill(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f := must(os.Create(ballast))(t)
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for {
		if _, err := f.Write(chunk); errors.Is(err, unix.ENOSPC) {
			return ballast
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull fills the disk under the data directory: writes are refused
// with the reason, reads, traffic and tasks go on, and nothing is lost.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	disk := smallDisk(t, "512m")
	s := prepare(t)
	s.dir = filepath.Join(disk, "data")
	s.serve(t)
	s.site(t, "shop", 1)
	must(s.clients().logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: new("/e2e")}))(t)
	must(s.clients().logs.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: new("/e2e"), LogStreamName: new("a")}))(t)
	put := func(what string) error {
		_, err := s.clients().logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
			LogGroupName: new("/e2e"), LogStreamName: new("a"),
			LogEvents: []logstypes.InputLogEvent{{Message: &what, Timestamp: new(time.Now().UnixMilli())}},
		})
		return err
	}
	if err := put("before"); err != nil {
		t.Fatal(err)
	}
	tasks := s.tasks(t)
	load := s.load(t, "shop.test")
	ballast := fill(t, disk)

	refused := func(args ...string) {
		t.Helper()
		code, message := s.awsErr(t, args...)
		if !strings.HasPrefix(code, "ServiceUnavailable") || !strings.Contains(message, "MiB left") || !strings.Contains(message, s.dir) {
			t.Errorf("%s: %s: %s", args[0], code, message)
		}
	}
	refused("ecs", "create-cluster", "--cluster-name", "full")
	refused("ec2", "create-security-group", "--group-name", "full", "--description", "full")
	refused("elbv2", "create-target-group", "--name", "full", "--protocol", "HTTP", "--port", "80", "--target-type", "ip", "--vpc-id", s.vpc(t))
	if err := put("full"); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("PutLogEvents: %v", err)
	}
	if _, err := s.pushed("shop", "full", "SITE=full"); err == nil || !strings.Contains(err.Error(), "Insufficient Storage") {
		t.Errorf("docker push: %v", err)
	}
	sameTasks(t, tasks, s.tasks(t))
	if n := len(s.events(t, "/e2e")); n != 1 {
		t.Errorf("%d events are read, want 1", n)
	}
	if p := s.status(t).Problems; !slices.ContainsFunc(p, func(p string) bool { return strings.Contains(p, "is full: free some space") }) {
		t.Errorf("status has no word of the disk: %v", p)
	}
	if said, all := s.wrongs(t); !slices.ContainsFunc(all, func(f wrong) bool { return f.Check == "machine" && strings.Contains(f.Cause, "is full") }) {
		t.Errorf("why has no word of the disk: %s", said)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.cluster(t, "after")
	if err := put("after"); err != nil {
		t.Error(err)
	}
	s.redeploy(t, "shop", "2")
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=2")
	load.lossless(t)

	s.kill9(t)
	s.restart(t)
	clusters := must(s.clients().ecs.ListClusters(t.Context(), &ecs.ListClustersInput{}))(t).ClusterArns
	if n := len(clusters); n != 2 {
		t.Errorf("clusters: %v", clusters)
	}
	if e := s.events(t, "/e2e"); len(e) != 2 || *e[1].Message != "after" {
		t.Errorf("events: %d", len(e))
	}
}
