package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestContainers runs tasks of several containers by the AWS CLI.
func TestContainers(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("order", s.testOrder)
	t.Run("dependency fails", s.testDependencyFails)
	t.Run("settings", s.testSettings)
	t.Run("shared processes", s.testSharedProcesses)
	t.Run("health", s.testContainerHealth)
	t.Run("restart", s.testRestart)
	t.Run("volumes", s.testVolumes)
	t.Run("evidence", s.testEvidence)
}

// does is a container of the probe that takes steps.
func (s *stage) does(name string, more object, steps ...string) object {
	c := object{"name": name, "image": s.image, "command": append([]string{"do"}, steps...), "stopTimeout": 2}
	maps.Copy(c, more)
	return c
}

// runs registers a definition by the CLI, and runs a task of it until the test
// ends.
func (s *stage) runs(t *testing.T, family string, more object, containers ...object) (arn string) {
	t.Helper()
	def := object{
		"family": family, "networkMode": "awsvpc", "requiresCompatibilities": []string{"FARGATE"}, "cpu": "256", "memory": "512",
		"containerDefinitions": containers,
	}
	maps.Copy(def, more)
	file := filepath.Join(t.TempDir(), "definition.json")
	if err := os.WriteFile(file, must(json.Marshal(def))(t), 0o600); err != nil {
		t.Fatal(err)
	}
	s.aws(t, "ecs", "register-task-definition", "--cli-input-json", "file://"+file)
	arn = s.aws(t, "ecs", "run-task", "--task-definition", family, "--launch-type", "FARGATE",
		"--network-configuration", "awsvpcConfiguration={subnets=["+s.subnets(t)[0]+"],securityGroups=["+s.open+"]}",
		"--query", "tasks[0].taskArn", "--output", "text")
	s.stopAtEnd(t, arn)
	return arn
}

// why is what `skylift why` says of a task.
type why struct {
	Tasks []struct {
		StopCode      string `json:"stopCode"`
		StoppedReason string `json:"stoppedReason"`
		Containers    []struct {
			Name         string   `json:"name"`
			ExitCode     *int     `json:"exitCode"`
			Reason       string   `json:"reason"`
			HealthOutput string   `json:"healthOutput"`
			LastLines    []string `json:"lastLines"`
		} `json:"containers"`
	} `json:"tasks"`
}

func (s *stage) why(t *testing.T, args ...string) string {
	t.Helper()
	return s.run(t, append([]string{"why", "--data-dir", s.dir}, args...)...)
}

// lastWords returns what the containers of a stopped task said last, by name.
func (s *stage) lastWords(t *testing.T, arn string) map[string]string {
	t.Helper()
	var answer struct{ Details why }
	err := json.Unmarshal([]byte(s.why(t, arn, "--output", "json")), &answer)
	w := answer.Details
	if err != nil || len(w.Tasks) != 1 {
		t.Fatalf("why %s: %+v, %v", arn, w, err)
	}
	out := map[string]string{}
	for _, c := range w.Tasks[0].Containers {
		out[c.Name] = strings.Join(c.LastLines, "\n")
	}
	return out
}

// look describes a task in a line.
func look(task types.Task) string {
	out := *task.LastStatus
	if task.StoppedReason != nil {
		out += fmt.Sprintf(" %s %q", task.StopCode, *task.StoppedReason)
	}
	for _, c := range task.Containers {
		out += fmt.Sprintf("; %s %s", *c.Name, *c.LastStatus)
		if c.ExitCode != nil {
			out += fmt.Sprint(" ", *c.ExitCode)
		}
	}
	return out
}

// after is what a container waits for.
func after(name, condition string) object {
	return object{"dependsOn": []object{{"containerName": name, "condition": condition}}}
}

func join(all ...object) object {
	out := object{}
	for _, o := range all {
		maps.Copy(out, o)
	}
	return out
}

func (s *stage) testOrder(t *testing.T) {
	t.Parallel()
	side := object{"essential": false}
	shared := object{"volumes": []object{{"name": "shared"}}}
	mounts := object{"mountPoints": []object{{"sourceVolume": "shared", "containerPath": "/shared"}}}
	arn := s.runs(t, "order", shared,
		s.does("app", join(mounts, after("init", "SUCCESS")), "cat /shared/made", "put /shared/go now", "hold", "put /shared/app ended", "exit 0"),
		s.does("init", join(side, mounts), "sleep 2", "put /shared/made early", "exit 0"),
		s.does("late", join(side, mounts, after("app", "START")), "await /shared/go", "exit 5"),
	)
	task := s.reaches(t, arn, "RUNNING")
	if age := task.StartedAt.Sub(*task.CreatedAt); age < 2*time.Second {
		t.Errorf("it was RUNNING after %v, before its container waited for another one", age)
	}
	waitFor(t, 20*time.Second, "a container to end", func() error {
		if got := look(s.task(t, arn)); got != "RUNNING; app RUNNING; init STOPPED 0; late STOPPED 5" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	s.aws(t, "ecs", "stop-task", "--task", arn, "--reason", "enough")
	s.aws(t, "ecs", "wait", "tasks-stopped", "--tasks", arn)
	if got := look(s.task(t, arn)); got != `STOPPED UserInitiated "enough"; app STOPPED 0; init STOPPED 0; late STOPPED 5` {
		t.Errorf("in the end it is %s", got)
	}
	if said := s.lastWords(t, arn); said["app"] != "cat /shared/made: early\nput /shared/go now: done\nhold: over\nput /shared/app ended: done" {
		t.Errorf("app said %s", said["app"])
	}
}

func (s *stage) testDependencyFails(t *testing.T) {
	t.Parallel()
	arn := s.runs(t, "dependency", nil,
		s.does("app", after("init", "SUCCESS"), "hold"),
		s.does("init", object{"essential": false}, "exit 7"),
	)
	task := s.reaches(t, arn, "STOPPED")
	reason := aws.ToString(task.Containers[0].Reason)
	if task.StopCode != types.TaskStopCodeTaskFailedToStart || task.StartedAt != nil || *task.StoppedReason != reason ||
		!strings.HasPrefix(reason, "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init(") ||
		!strings.HasSuffix(reason, "as dependency did not exit successfully.") {
		t.Errorf("it is %s", look(task))
	}
}

// testSettings has a container tell what it sees of its definition.
func (s *stage) testSettings(t *testing.T) {
	t.Parallel()
	arn := s.runs(t, "settings", nil,
		s.does("strict", object{
			"readonlyRootFilesystem": true, "user": "7:8", "workingDirectory": "/tmp", "pseudoTerminal": true, "interactive": true,
			"linuxParameters": object{"initProcessEnabled": true, "capabilities": object{"drop": []string{"ALL"}}},
			"ulimits":         []object{{"name": "nofile", "softLimit": 1234, "hardLimit": 2345}},
			"systemControls":  []object{{"namespace": "net.core.somaxconn", "value": "321"}},
			"dockerLabels":    object{"team": "blue"},
		}, "who", "where", "fd", "limit", "ps", "status CapBnd", "put /x y", "cat /proc/sys/net/core/somaxconn", "hold"),
		s.does("plain", object{"linuxParameters": object{"capabilities": object{"add": []string{"SYS_PTRACE"}}}},
			"who", "fd", "limit", "status CapBnd", "put /x y", "cat /x", "hold"),
	)
	s.reaches(t, arn, "RUNNING")
	if with := s.behind().labelled(t, s.skylift, "team", "blue"); len(with) != 1 || with[0].name != "strict" {
		t.Errorf("containers with the label: %+v", with)
	}
	s.aws(t, "ecs", "stop-task", "--task", arn)
	s.reaches(t, arn, "STOPPED")
	said := s.lastWords(t, arn)
	for name, wants := range map[string][]string{
		"strict": {
			// The Go runtime raises the soft limit to the hard one.
			"who: 7:8", "where: /tmp", "fd: /dev/pts /dev/pts", " 2345\n", "1=" + s.behind().init(), "status CapBnd: 0000000000000000",
			"put /x y: open /x: read-only file system", "somaxconn: 321",
		},
		"plain": {"who: 0:0", "status CapBnd: 00000000a80c25fb", "cat /x: y"},
	} {
		for _, want := range wants {
			if !strings.Contains(said[name], want) {
				t.Errorf("%s doesn't say %q but\n%s", name, want, said[name])
			}
		}
	}
}

func (s *stage) testSharedProcesses(t *testing.T) {
	t.Parallel()
	arn := s.runs(t, "processes", object{"pidMode": "task"}, s.does("one", nil, "hold"), s.does("two", after("one", "START"), "ps", "hold"))
	s.reaches(t, arn, "RUNNING")
	s.aws(t, "ecs", "stop-task", "--task", arn)
	s.reaches(t, arn, "STOPPED")
	if said := s.lastWords(t, arn)["two"]; strings.Count(said, "=probe") != 2 {
		t.Errorf("the second container sees %s", said)
	}
}

func (s *stage) testContainerHealth(t *testing.T) {
	t.Parallel()
	check := func(steps ...string) object {
		return object{"command": append([]string{"CMD", "/probe", "check"}, steps...), "interval": 5, "retries": 2}
	}
	arn := s.runs(t, "health", nil,
		s.does("app", object{"healthCheck": check("/ok")}, "put /ok fine", "hold"),
		s.does("side", object{"essential": false, "healthCheck": check("/missing")}, "hold"),
		s.does("plain", nil, "hold"),
	)
	health := func() string {
		task := s.task(t, arn)
		return fmt.Sprint(task.HealthStatus, " ", task.Containers[0].HealthStatus, " ", task.Containers[1].HealthStatus, " ", task.Containers[2].HealthStatus)
	}
	for _, want := range []string{"UNKNOWN UNKNOWN UNKNOWN UNKNOWN", "HEALTHY HEALTHY UNHEALTHY UNKNOWN"} {
		waitFor(t, 40*time.Second, "health", func() error {
			if got := health(); got != want {
				return fmt.Errorf("it is %s, want %s", got, want)
			}
			return nil
		})
	}
	s.aws(t, "ecs", "stop-task", "--task", arn)
	s.reaches(t, arn, "STOPPED")
	if out := s.why(t, arn); !strings.Contains(out, "its last health check said:\n      stat /missing: no such file or directory") {
		t.Errorf("why says\n%s", out)
	}
}

// testRestart needs the shortest attempt period that there is, of a minute.
func (s *stage) testRestart(t *testing.T) {
	t.Parallel()
	arn := s.runs(t, "restart", nil,
		s.does("app", object{
			"restartPolicy":    object{"enabled": true, "restartAttemptPeriod": 60, "ignoredExitCodes": []int{4}},
			"logConfiguration": object{"logDriver": "awslogs", "options": object{"awslogs-group": "/probe", "awslogs-region": region, "awslogs-stream-prefix": "restart"}},
		}, "cat /count", "put /count again", "sleep 61", "exit 3"),
		s.does("other", nil, "hold"),
	)
	s.reaches(t, arn, "RUNNING")
	stream := "restart/app/" + arn[strings.LastIndex(arn, "/")+1:]
	waitFor(t, 100*time.Second, "the second run's output", func() error {
		out := s.aws(t, "logs", "get-log-events", "--log-group-name", "/probe", "--log-stream-name", stream, "--query", "events[].message", "--output", "text")
		if !strings.Contains(out, "cat /count: again") {
			return fmt.Errorf("the log has %q", out)
		}
		return nil
	})
	if got := look(s.task(t, arn)); got != "RUNNING; app RUNNING; other RUNNING" {
		t.Errorf("it is %s", got)
	}
}

func (s *stage) testVolumes(t *testing.T) {
	t.Parallel()
	ro := object{"sourceVolume": "data", "containerPath": "/data", "readOnly": true}
	arn := s.runs(t, "volumes", object{"volumes": []object{{"name": "data"}}},
		s.does("one", object{"mountPoints": []object{{"sourceVolume": "data", "containerPath": "/data"}}}, "put /data/x hello", "hold"),
		s.does("two", object{"essential": false, "mountPoints": []object{ro}}, "await /data/x", "cat /data/x", "put /data/y no", "exit 0"),
		s.does("three", object{"essential": false, "volumesFrom": []object{{"sourceContainer": "one"}}}, "await /data/x", "cat /data/x", "put /data/z yes", "exit 0"),
	)
	waitFor(t, time.Minute, "the readers", func() error {
		if got := look(s.task(t, arn)); got != "RUNNING; one RUNNING; two STOPPED 0; three STOPPED 0" {
			return fmt.Errorf("it is %s", got)
		}
		return nil
	})
	s.aws(t, "ecs", "stop-task", "--task", arn)
	s.reaches(t, arn, "STOPPED")
	said := s.lastWords(t, arn)
	if !strings.Contains(said["two"], "cat /data/x: hello\nput /data/y no: open /data/y: read-only file system") || !strings.Contains(said["three"], "cat /data/x: hello\nput /data/z yes: done") {
		t.Errorf("they say %v", said)
	}
}

func (s *stage) testEvidence(t *testing.T) {
	t.Parallel()
	steps := make([]string, 0, 31)
	for i := range 30 {
		steps = append(steps, fmt.Sprint("say ", i))
	}
	arn := s.runs(t, "evidence", nil, s.does("app", nil, append(steps, "exit 9")...))
	s.reaches(t, arn, "STOPPED")
	out := s.why(t, arn[strings.LastIndex(arn, "/")+1:][:8])
	for _, want := range []string{"EssentialContainerExited: Essential container in task exited", "container app", "exit code 9", "say 10: 10\n", "say 29: 29\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("why doesn't say %q but\n%s", want, out)
		}
	}
	if strings.Contains(out, "say 9: 9\n") {
		t.Errorf("why says more than the last twenty lines:\n%s", out)
	}
}
