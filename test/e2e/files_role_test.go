package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWhoMountsAFileSystem has tasks mount a file system whose policy admits a role only: as nobody, as the role, as the role when it may only
// read, and as root who isn't root there.
func TestWhoMountsAFileSystem(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	role := s.aws(t, "iam", "create-role", "--role-name", "files", "--assume-role-policy-document", trustTasks, "--query", "Role.Arn", "--output", "text")
	fs := s.aws(t, "efs", "create-file-system", "--creation-token", "admits-a-role", "--query", "FileSystemId", "--output", "text")
	s.aws(t, "efs", "create-mount-target", "--file-system-id", fs, "--subnet-id", s.subnets(t)[0])
	takes(t, 60*time.Second, "the mount target", func() bool {
		return s.aws(t, "efs", "describe-mount-targets", "--file-system-id", fs, "--query", "MountTargets[0].LifeCycleState", "--output", "text") == "available"
	})
	// A directory for everybody, of a user's, and a file of root's in it that nobody else may read.
	dir := filepath.Join(s.dir, "efs", fs, "open")
	for _, err := range []error{os.Mkdir(dir, 0o777), os.Chmod(dir, 0o777), os.Chown(dir, 1000, 1000), os.WriteFile(filepath.Join(dir, "roots"), []byte("secret"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	admits := func(actions string) {
		t.Helper()
		s.aws(t, "efs", "put-file-system-policy", "--file-system-id", fs, "--policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"`+role+`"},
			"Action":[`+actions+`],"Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}`)
	}
	plays := func(name string, as object, more object, steps ...string) (reason, said string) {
		t.Helper()
		volume := join(object{"fileSystemId": fs, "rootDirectory": "/open"}, as)
		arn := s.runs(t, "files-"+name, object{"taskRoleArn": role, "volumes": []object{{"name": "data", "efsVolumeConfiguration": volume}}},
			s.does("app", join(object{"mountPoints": []object{{"sourceVolume": "data", "containerPath": "/data"}}}, more), append(steps, "exit 0")...))
		task := s.reaches(t, arn, "STOPPED")
		return *task.StoppedReason, s.lastWords(t, arn)["app"]
	}
	asRole := object{"transitEncryption": "ENABLED", "authorizationConfig": object{"iam": "ENABLED"}}

	admits(`"elasticfilesystem:ClientMount","elasticfilesystem:ClientWrite"`)
	const denied = "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: stderr: b'mount.nfs4: access denied by server while mounting 127.0.0.1:/'"
	if reason, _ := plays("nobody", object{"transitEncryption": "ENABLED"}, nil, "put /data/nobodys x"); !strings.HasPrefix(reason, denied) {
		t.Errorf("who says nothing of itself: %s", reason)
	}
	_, said := plays("role", asRole, nil, "put /data/written by-root", "cat /data/roots")
	if !strings.Contains(said, "cat /data/roots: open /data/roots: permission denied") {
		t.Errorf("root without ClientRootAccess: %s", said)
	}
	if info, err := os.Stat(filepath.Join(dir, "written")); err != nil {
		t.Errorf("%v; the task said %s", err, said)
	} else if is := info.Sys().(*syscall.Stat_t); is.Uid != 65534 || is.Gid != 65534 {
		t.Errorf("what root wrote is of %d:%d, want 65534", is.Uid, is.Gid)
	}
	admits(`"elasticfilesystem:ClientMount"`)
	if _, said := plays("reads", asRole, object{"user": "1000:1000"}, "cat /data/written", "put /data/more x"); !strings.Contains(said, "read-only file system") {
		t.Errorf("without ClientWrite: %s", said)
	}
	s.aws(t, "efs", "delete-file-system-policy", "--file-system-id", fs)
	if _, said := plays("anybody", object{}, nil, "cat /data/roots"); said != "cat /data/roots: secret" {
		t.Errorf("without a policy: %s", said)
	}
}
