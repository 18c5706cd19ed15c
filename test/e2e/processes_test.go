package e2e

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestProcessesAreATasksOwn has a small task start processes without end: it gets
// as many as it may have, and neither a neighbour nor the API notices.
func TestProcessesAreATasksOwn(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	greedy := s.runs(t, "greedy", nil, s.does("app", nil, "fork 100000", "hold"))
	s.reaches(t, greedy, "RUNNING")
	id := greedy[strings.LastIndex(greedy, "/")+1:]
	dir := s.processesOf(t, id)
	limit := number(t, filepath.Join(dir, "pids.max"))
	if limit < 1024 {
		t.Fatalf("the task may have %d processes", limit)
	}
	takes(t, time.Minute, "the task has all that it may have", func() bool { return number(t, filepath.Join(dir, "pids.current")) >= limit-64 })

	// The same user, with a limit of its own that the greedy task is far above.
	neighbour := s.runs(t, "neighbour", nil,
		s.does("app", object{"dependsOn": []object{{"containerName": "bounded", "condition": "COMPLETE"}}, "ulimits": []object{{"name": "nproc", "softLimit": 200, "hardLimit": 200}}, "user": "4711"}, "fork 50", "exit 0"),
		s.does("bounded", object{"ulimits": []object{{"name": "nproc", "softLimit": 60, "hardLimit": 60}}, "user": "4711", "essential": false}, "fork 100", "exit 0"))
	s.reaches(t, neighbour, "STOPPED")
	if said := s.lastWords(t, neighbour); said["app"] != "fork 50: done" || said["bounded"] != "fork 100: refused" {
		t.Errorf("beside it %q", said)
	}
	start := time.Now()
	s.aws(t, "ecs", "list-tasks")
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("the API took %s to answer", took)
	}
	if now := number(t, filepath.Join(dir, "pids.current")); now > limit {
		t.Errorf("the task has %d processes, and may have %d", now, limit)
	}

	takes(t, time.Minute, "skylift status tells", func() bool {
		out := s.run(t, "status", "--data-dir", s.dir)
		return strings.Contains(out, "family:greedy") && strings.Contains(out, "such a task may have "+strconv.Itoa(limit))
	})
	if out := s.why(t, greedy); !strings.Contains(out, strconv.Itoa(limit)+" that it may have") {
		t.Errorf("why says %s", out)
	}
	s.aws(t, "ecs", "stop-task", "--task", greedy)
	s.reaches(t, greedy, "STOPPED")
	takes(t, 30*time.Second, "the task's cgroup is gone", func() bool {
		_, err := os.Stat(dir)
		return err != nil
	})
}

// processesOf is the cgroup of a task that counts its processes.
func (s *stage) processesOf(t *testing.T, task string) string {
	t.Helper()
	for _, pattern := range []string{"pids/skylift/*/", "skylift/*/", "pids/skylift.slice/*/*-", "skylift.slice/*/*-"} {
		found, _ := filepath.Glob("/sys/fs/cgroup/" + pattern + task + "*") // the pattern is well formed
		if len(found) == 1 {
			return found[0]
		}
	}
	t.Fatalf("task %s has no cgroup that counts its processes", task)
	return ""
}

// number reads a file that has one.
func number(t *testing.T, file string) int {
	t.Helper()
	return must(strconv.Atoi(strings.TrimSpace(string(must(os.ReadFile(file))(t)))))(t)
}
