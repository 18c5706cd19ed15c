package status

import (
	"slices"
	"testing"

	"github.com/skylift/skylift/internal/service/ecs"
)

func TestCrowdedTasks(t *testing.T) {
	t.Parallel()
	in := site()
	for i, id := range []string{"aaaaaaaa1111", "bbbbbbbb1111", "cccccccc1111", "dddddddd1111", "eeeeeeee1111", "ffffffff1111", "00000000"} {
		task := ecs.Task{ID: id, Cluster: "default", Group: "service:web", Status: ecs.Running, ProcessLimit: 1024}
		switch i {
		case 4:
			task.Group, task.ProcessLimit = "family:job", 2048
		case 5:
			task.Status = ecs.Stopped
		case 6:
			task.ProcessLimit = 0
		}
		in.tasks = append(in.tasks, task)
	}
	in.Problems = []string{"the disk is full"}
	want := []string{
		"the disk is full",
		"a task of family:job (cluster default) could not start a process or a thread: such a task may have 2048 (eeeeeeee)",
		"4 tasks of service:web (cluster default) could not start a process or a thread: such a task may have 1024 (aaaaaaaa, bbbbbbbb, cccccccc, …)",
	}
	if got := Build(in).Problems; !slices.Equal(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
}
