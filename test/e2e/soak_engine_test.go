package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sys/unix"
)

// onContainerdOnly skips a test where tasks run on Docker.
func onContainerdOnly(t *testing.T) {
	t.Helper()
	if *engineFlag == "docker" {
		t.Skip("it is about containerd")
	}
}

// onDockerOnly skips a test where tasks run on containerd.
func onDockerOnly(t *testing.T) {
	t.Helper()
	if *engineFlag != "docker" {
		t.Skip("it is about Docker")
	}
}

func kill(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
			t.Error(err)
		}
	}
}

// TestSurvivesKillsOfTheEngine kills containerd, the keepers of output, and either
// with Skylift, at random moments of deployments under load: no task notices, and
// each deployment ends with exactly its tasks.
func TestSurvivesKillsOfTheEngine(t *testing.T) {
	t.Parallel()
	onContainerdOnly(t)
	s := start(t)
	s.site(t, "shop", 2)
	load := s.load(t, "shop.test")
	for i := range max(4, *kills) {
		s.redeploy(t, "shop", fmt.Sprint(i+2))
		<-time.After(rand.N(3 * time.Second))
		containerd, keepers, _ := s.programs(t)
		if len(containerd) != 1 || len(keepers) == 0 {
			t.Fatalf("there are containerds %v and keepers %v", containerd, keepers)
		}
		what := []string{"containerd", "a keeper", "all of it", "all of it and Skylift"}[i%4]
		t.Logf("version %d: killed: %s", i+2, what)
		switch what {
		case "containerd":
			kill(t, containerd...)
		case "a keeper":
			kill(t, keepers[0])
		case "all of it":
			kill(t, slices.Concat(containerd, keepers)...)
		default:
			load.while(func() {
				kill(t, slices.Concat(containerd, keepers)...)
				s.kill9(t)
				s.restart(t)
			})
		}
		s.stable(t, "shop")
		s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", i+2))
		s.exactly(t, 2)
	}
	load.lossless(t)
	waitFor(t, 20*time.Second, "status to have no problem", func() error {
		if p := s.status(t).Problems; len(p) > 0 {
			return fmt.Errorf("%q", p)
		}
		return nil
	})
}

// TestSurvivesKillsOfShims kills the process that holds a task's container: the
// task stops and says so, another takes its place, and nothing of it is left.
func TestSurvivesKillsOfShims(t *testing.T) {
	t.Parallel()
	onContainerdOnly(t)
	s := start(t)
	s.site(t, "shop", 2)
	version := 1
	for i := range *kills {
		if i%5 == 4 { // a deployment whose tasks end again and again starts them later and later: a new one begins anew
			version++
			s.redeploy(t, "shop", fmt.Sprint(version))
			s.stable(t, "shop")
			s.exactly(t, 2)
		}
		before := s.tasks(t)
		_, _, shims := s.programs(t)
		if len(shims) != 2 {
			t.Fatalf("there are shims %v for two tasks", shims)
		}
		kill(t, shims[rand.N(2)])
		var gone string
		waitFor(t, time.Minute, "a task to stop", func() error {
			for _, arn := range before {
				if task := s.task(t, arn); *task.LastStatus == "STOPPED" {
					gone = arn
					return nil
				}
			}
			return errors.New("both run")
		})
		task := s.task(t, gone)
		if c := task.Containers[0]; aws.ToInt32(c.ExitCode) != 137 {
			t.Errorf("the container ended with %d: %s", aws.ToInt32(c.ExitCode), aws.ToString(c.Reason))
		}
		s.stable(t, "shop")
		s.answers(t, "shop.test", fmt.Sprintf("site=shop version=%d", version))
		s.exactly(t, 2)
	}
}
