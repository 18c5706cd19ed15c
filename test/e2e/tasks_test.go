package e2e

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestEnds runs tasks that end in every way, and reads why.
func TestEnds(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := s.push(t, "app", "latest")
	s.cluster(t, "default")
	for _, tt := range []struct {
		name   string
		env    []string
		code   int32
		reason string // of the container
	}{
		{"success", []string{"EXIT=0"}, 0, ""},
		{"failure", []string{"EXIT=7"}, 7, ""},
		{"out of memory", []string{"EAT=700"}, 137, "OutOfMemoryError: Container killed due to memory usage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			family := strings.ReplaceAll(tt.name, " ", "-")
			task := s.reaches(t, s.runTask(t, s.define(t, family, image, environment(tt.env...))), "STOPPED")
			c := task.Containers[0]
			if c.ExitCode == nil || *c.ExitCode != tt.code || aws.ToString(c.Reason) != tt.reason {
				t.Errorf("container ended with %v %q", c.ExitCode, aws.ToString(c.Reason))
			}
			if task.StopCode != ecstypes.TaskStopCodeEssentialContainerExited || *task.StoppedReason != "Essential container in task exited" {
				t.Errorf("task stopped by %s: %s", task.StopCode, *task.StoppedReason)
			}
		})
	}
}

// TestStopTimeout stops a task that doesn't want to.
func TestStopTimeout(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := s.push(t, "app", "latest")
	s.cluster(t, "default")
	for _, tt := range []struct {
		name, env string
		least     time.Duration
		most      time.Duration
		code      int32
	}{
		{"deaf", "DEAF=1", 4 * time.Second, 10 * time.Second, 137},
		{"obedient", "SITE=shop", 0, 4 * time.Second, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			group := "/e2e/" + tt.name
			definition := s.define(t, tt.name, image, environment(tt.env), s.logged(t, group), func(in *ecs.RegisterTaskDefinitionInput) {
				in.ContainerDefinitions[0].StopTimeout = new(int32(4))
			})
			task := s.reaches(t, s.runTask(t, definition), "RUNNING")
			waitFor(t, 10*time.Second, "the application to know what SIGTERM means", func() error {
				if len(s.events(t, group)) == 0 {
					return errors.New("it says nothing yet")
				}
				return nil
			})
			must(s.clients().ecs.StopTask(t.Context(), &ecs.StopTaskInput{Task: task.TaskArn, Reason: new("enough")}))(t)
			task = s.reaches(t, *task.TaskArn, "STOPPED")
			took := task.ExecutionStoppedAt.Sub(*task.StoppingAt)
			if took < tt.least || took > tt.most {
				t.Errorf("stopped after %v, want %v to %v", took, tt.least, tt.most)
			}
			if c := task.Containers[0]; c.ExitCode == nil || *c.ExitCode != tt.code || *task.StoppedReason != "enough" {
				t.Errorf("ended with %v: %s", c.ExitCode, *task.StoppedReason)
			}
		})
	}
}

// TestMeddling takes from tasks, behind Skylift's back, what they need, and
// puts beside them what nobody asked for.
func TestMeddling(t *testing.T) {
	t.Parallel()
	s := start(t)
	image := s.push(t, "app", "latest", "SITE=app")
	s.cluster(t, "default")
	s.service(t, "app", s.define(t, "app", image), 1, "")
	s.stable(t, "app")

	orphan := strings.Repeat("ab", 16)
	s.behind().plant(t, s, orphan, baseImage)
	begin := time.Now()
	const gone, ended = "removed from the container engine", "Essential container in task exited"
	for _, tt := range []struct {
		what, container string // "": its network
		unseen          bool   // it happens while Skylift doesn't run
		reasons         []string
	}{
		{"its container", "web", false, []string{ended, gone}}, // Docker kills it first, which may be seen
		{"its sandbox", "", false, []string{"network is gone"}},
		{"everything", "*", false, []string{ended, gone, "network is gone"}},
		{"its container unseen", "web", true, []string{gone}},
		{"everything unseen", "*", true, []string{gone}},
	} {
		arn := s.tasks(t)[0]
		containers := s.containersOf(t, arn, cmp.Or(tt.container, "*"))
		if tt.unseen {
			s.kill9(t)
		}
		if tt.container != "" {
			s.behind().remove(t, s, containers...)
		}
		if tt.container == "" || tt.container == "*" {
			s.behind().cutOff(t, s, arn[strings.LastIndex(arn, "/")+1:])
		}
		if tt.unseen {
			s.restart(t)
		}
		if s.behind().remembers() {
			tt.reasons = append(tt.reasons, ended, "network is gone")
		}
		task := s.reaches(t, arn, "STOPPED")
		said := *task.StoppedReason + "; " + aws.ToString(task.Containers[0].Reason)
		if !slices.ContainsFunc(tt.reasons, func(r string) bool { return strings.Contains(said, r) }) {
			t.Errorf("after %s was removed: %q", tt.what, said)
		}
		s.stable(t, "app")
		if now := s.tasks(t); slices.Contains(now, arn) || len(now) != 1 {
			t.Errorf("after %s was removed the tasks are %v, before %s", tt.what, now, arn)
		}
	}
	waitFor(t, time.Until(begin.Add(35*time.Second)), "the orphan to be swept", func() error {
		all, err := s.behind().all(s)
		if slices.ContainsFunc(all, func(c container) bool { return c.task == orphan }) {
			err = errors.New("it is there")
		}
		return err
	})
	s.exactly(t, 1)
}
