package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

const noCapacity = "Capacity is unavailable at this time. Please try again later or in a different availability zone"

// TestCapacity has a machine with room for four tasks.
func TestCapacity(t *testing.T) {
	t.Parallel()
	s := &stage{skylift: start(t, "--memory=2048", "--cpu-overcommit=4")}
	s.set(t)
	s.defineProbe(t, "small")
	tasks := s.runBeyond(t)
	s.refusesTheLarge(t)
	s.waitsForRoom(t, tasks)
	s.rebalances(t)
}

// ran is what run-task says.
type ran struct {
	Tasks    []struct{ TaskArn, AvailabilityZone string }
	Failures []struct{ Arn, Reason, Detail string }
}

func (s *stage) runMany(t *testing.T, definition string, count int) (out ran) {
	t.Helper()
	network := fmt.Sprintf("awsvpcConfiguration={subnets=[%s],securityGroups=[%s]}", strings.Join(s.subnets(t), ","), s.open)
	said := s.aws(t, "ecs", "run-task", "--task-definition", definition, "--launch-type", "FARGATE", "--count", fmt.Sprint(count), "--network-configuration", network, "--output", "json")
	if err := json.Unmarshal([]byte(said), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// runBeyond asks for six tasks: four run, two are failures.
func (s *stage) runBeyond(t *testing.T) (tasks []string) {
	t.Helper()
	out := s.runMany(t, "small", 6)
	if len(out.Tasks) != 4 || len(out.Failures) != 2 {
		t.Fatalf("%d tasks and %d failures, want 4 and 2", len(out.Tasks), len(out.Failures))
	}
	for _, f := range out.Failures {
		if f.Reason != noCapacity || !strings.Contains(f.Detail, "2048 MiB") {
			t.Errorf("failure %q %q", f.Reason, f.Detail)
		}
	}
	for _, task := range out.Tasks {
		tasks = append(tasks, task.TaskArn)
	}
	s.aws(t, append([]string{"ecs", "wait", "tasks-running", "--tasks"}, tasks...)...)
	return tasks
}

// refusesTheLarge asks for a task that is larger than the machine.
func (s *stage) refusesTheLarge(t *testing.T) {
	t.Helper()
	s.defineProbe(t, "large", func(in *ecs.RegisterTaskDefinitionInput) { in.Cpu, in.Memory = new("1024"), new("4096") })
	out := s.runMany(t, "large", 1)
	if len(out.Tasks) != 0 || len(out.Failures) != 1 || out.Failures[0].Reason != "The requested MEMORY configuration is above your limit" {
		t.Errorf("got %+v", out)
	}
}

// eventsWith counts the events of a service that have words in them.
func (s *stage) eventsWith(t *testing.T, service, words string) (n int) {
	t.Helper()
	for _, e := range s.described(t, service).Events {
		if strings.Contains(*e.Message, words) {
			n++
		}
	}
	return n
}

// waitsForRoom has a service of three tasks wait on a full machine: it says so
// once, and starts them as others stop.
func (s *stage) waitsForRoom(t *testing.T, others []string) {
	t.Helper()
	s.deploy(t, "web", "small", "", 3)
	takes(t, time.Minute, "the service says that it waits", func() bool {
		return s.eventsWith(t, "web", "was unable to place a task. Reason: "+noCapacity+".") == 1
	})
	c := s.status(t).Capacity
	if c.Total.Memory != 2048 || c.Reserved.Memory != 2048 || len(c.Waiting) != 1 || c.Waiting[0].Service != "default/web" || c.Waiting[0].Tasks != 3 {
		t.Errorf("status: %+v", c)
	}
	if said := s.run(t, "status", "--data-dir", s.dir); !strings.Contains(said, "default/web waits for room: 3 tasks of 512 MiB and 0.25 vCPU") {
		t.Errorf("status:\n%s", said)
	}
	s.aws(t, "ecs", "stop-task", "--task", others[0])
	takes(t, time.Minute, "the service starts one task", func() bool { return s.described(t, "web").RunningCount == 1 })
	for _, task := range others[1:] {
		s.aws(t, "ecs", "stop-task", "--task", task)
	}
	s.aws(t, "ecs", "wait", "services-stable", "--services", "web")
	if n := s.eventsWith(t, "web", "was unable to place a task"); n != 1 {
		t.Errorf("told %d times", n)
	}
	if c := s.status(t).Capacity; len(c.Waiting) != 0 {
		t.Errorf("still waiting: %+v", c.Waiting)
	}
	if got := s.zonesOf(t, "web"); len(slices.Compact(got)) != 3 {
		t.Errorf("three tasks are in the zones %v", got)
	}
}

// zonesOf returns the zones of the tasks of a service, sorted.
func (s *stage) zonesOf(t *testing.T, service string) []string {
	t.Helper()
	args := append([]string{"ecs", "describe-tasks", "--query", "tasks[].availabilityZone", "--output", "text", "--tasks"}, s.tasksOf(t, service, types.DesiredStatusRunning)...)
	zones := strings.Fields(s.aws(t, args...))
	slices.Sort(zones)
	return zones
}

// rebalances brings two tasks of web into one zone, by protecting them from
// scale-in: once they are no longer protected, one moves.
func (s *stage) rebalances(t *testing.T) {
	t.Helper()
	s.aws(t, "ecs", "update-service", "--service", "web", "--desired-count", "4")
	s.aws(t, "ecs", "wait", "services-stable", "--services", "web")
	zones := map[string][]string{}
	for _, task := range s.tasksOf(t, "web", types.DesiredStatusRunning) {
		zone := strings.TrimSpace(s.aws(t, "ecs", "describe-tasks", "--tasks", task, "--query", "tasks[0].availabilityZone", "--output", "text"))
		zones[zone] = append(zones[zone], task)
	}
	var pair []string
	for _, in := range zones {
		if len(in) == 2 {
			pair = in
		}
	}
	if len(zones) != 3 || pair == nil {
		t.Fatalf("four tasks are in %v", zones)
	}
	protect := append([]string{"ecs", "update-task-protection", "--cluster", "default", "--tasks"}, pair...)
	s.aws(t, append(protect, "--protection-enabled")...)
	s.aws(t, "ecs", "update-service", "--service", "web", "--desired-count", "2")
	s.aws(t, "ecs", "wait", "services-stable", "--services", "web")
	if got := s.zonesOf(t, "web"); len(got) != 2 || got[0] != got[1] {
		t.Fatalf("two protected tasks of a zone are in %v", got)
	}
	s.aws(t, append(protect, "--no-protection-enabled")...)
	takes(t, 2*time.Minute, "the tasks are in two zones", func() bool {
		got := s.zonesOf(t, "web")
		return len(got) == 2 && got[0] != got[1] && s.eventsWith(t, "web", "is AZ balanced with") == 1
	})
	for _, words := range []string{"AZ Rebalancing in progress.", "to AZ Rebalance: (task ", "due to AZ rebalancing: (task "} {
		if n := s.eventsWith(t, "web", words); n != 1 {
			t.Errorf("told %d times: %s", n, words)
		}
	}
}
