package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFileSystemsInTasks mounts a file system of EFS into tasks.
func TestFileSystemsInTasks(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	fs := s.aws(t, "efs", "create-file-system", "--creation-token", "tasks", "--query", "FileSystemId", "--output", "text")
	volume := func(more object) object {
		return object{"volumes": []object{{"name": "data", "efsVolumeConfiguration": join(object{"fileSystemId": fs}, more)}}}
	}
	at := object{"mountPoints": []object{{"sourceVolume": "data", "containerPath": "/data"}}}
	ends := func(arn string) map[string]string {
		t.Helper()
		s.reaches(t, arn, "STOPPED")
		return s.lastWords(t, arn)
	}

	arn := s.runs(t, "efs-early", volume(nil), s.does("app", at, "hold"))
	task := s.reaches(t, arn, "STOPPED")
	if !strings.HasPrefix(*task.StoppedReason, "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: Failed to resolve") {
		t.Errorf("without a mount target: %s", look(task))
	}
	s.aws(t, "efs", "create-mount-target", "--file-system-id", fs, "--subnet-id", s.subnets(t)[0])
	takes(t, 20*time.Second, "the mount target", func() bool {
		return s.aws(t, "efs", "describe-mount-targets", "--file-system-id", fs, "--query", "MountTargets[0].LifeCycleState", "--output", "text") == "available"
	})

	ends(s.runs(t, "efs-write", volume(nil), s.does("app", at, "put /data/file stays", "exit 0")))
	arn = s.runs(t, "efs-read", volume(nil),
		s.does("app", object{"mountPoints": []object{{"sourceVolume": "data", "containerPath": "/data", "readOnly": true}}}, "cat /data/file", "put /data/file no", "exit 0"))
	if said := ends(arn)["app"]; said != "cat /data/file: stays\nput /data/file no: open /data/file: read-only file system" {
		t.Errorf("another task reads %s", said)
	}

	point := s.aws(t, "efs", "create-access-point", "--file-system-id", fs, "--posix-user", "Uid=1001,Gid=1002",
		"--root-directory", "Path=/app,CreationInfo={OwnerUid=1001,OwnerGid=1002,Permissions=750}", "--query", "AccessPointId", "--output", "text")
	byPoint := volume(object{"transitEncryption": "ENABLED", "authorizationConfig": object{"accessPointId": point}})
	ends(s.runs(t, "efs-root", byPoint, s.does("app", at, "put /data/root x", "exit 0")))
	ends(s.runs(t, "efs-user", byPoint, s.does("app", join(at, object{"user": "7:8"}), "put /data/user x", "exit 0")))
	for _, name := range []string{"root", "user"} {
		info, err := os.Stat(filepath.Join(s.dir, "efs", fs, "app", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if is := info.Sys().(*syscall.Stat_t); is.Uid != 1001 || is.Gid != 1002 {
			t.Errorf("what the user of %s wrote is of %d:%d, not of the access point's", name, is.Uid, is.Gid)
		}
	}
	table := must(os.ReadFile("/proc/self/mountinfo"))(t)
	if id := arn[strings.LastIndex(arn, "/")+1:]; strings.Contains(string(table), id) {
		t.Errorf("task %s is still mounted", id)
	}
}

// TestLogEventsOfSeveralLines has the output of a container cut by a date.
func TestLogEventsOfSeveralLines(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	options := object{"awslogs-group": "/probe", "awslogs-region": region, "awslogs-stream-prefix": "lines", "awslogs-datetime-format": "%Y-%m-%d", "mode": "non-blocking", "max-buffer-size": "1m"}
	arn := s.runs(t, "lines", nil, s.does("app", object{"logConfiguration": object{"logDriver": "awslogs", "options": options}},
		"say 2026-01-02 first", "say and more", "say 2026-01-03 second", "exit 0"))
	s.reaches(t, arn, "STOPPED")
	out := s.aws(t, "logs", "get-log-events", "--log-group-name", "/probe", "--log-stream-name", "lines/app/"+arn[strings.LastIndex(arn, "/")+1:],
		"--start-from-head", "--query", "events[].message", "--output", "json")
	want := `["say 2026-01-02 first: 2026-01-02 first\nsay and more: and more\n","say 2026-01-03 second: 2026-01-03 second\n"]`
	if got := strings.Join(strings.Fields(out), " "); strings.NewReplacer("[ ", "[", " ]", "]", ", ", ",").Replace(got) != want {
		t.Errorf("events %s, want %s", out, want)
	}
}
