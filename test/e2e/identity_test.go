package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// imageOf makes an image of the probe that has a user of its own and accounts,
// and pushes it.
func (s *stage) imageOf(t *testing.T, tag, user string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"passwd":     "root:x:0:0::/:/\napp:x:1500:1600::/:/\n",
		"group":      "root:x:0:\napp:x:1600:\n",
		"Dockerfile": "FROM " + s.image + "\nCOPY passwd group /etc/\nUSER " + user + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	name := strings.TrimSuffix(s.image, "latest") + tag
	s.dockerRun(t, "build", "-q", "-t", name, dir)
	s.dockerRun(t, "push", "-q", name)
	return name
}

// fileServers are the processes that serve mounts of the instance's file systems.
func (s *stage) fileServers() (pids []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/root") // the pattern is well formed
	for _, link := range all {
		if root, err := os.Readlink(link); err == nil && strings.HasPrefix(root, filepath.Join(s.dir, "efs")) {
			pids = append(pids, filepath.Base(filepath.Dir(link)))
		}
	}
	return pids
}

// TestUsersOfAnAccessPoint mounts a file system by an access point that has a user
// into containers of all kinds of users: all write, and what they write is the
// access point's. Skylift is killed while one of them does.
func TestUsersOfAnAccessPoint(t *testing.T) {
	t.Parallel()
	s := &stage{skylift: start(t)}
	s.set(t)
	fs := s.aws(t, "efs", "create-file-system", "--creation-token", "users", "--query", "FileSystemId", "--output", "text")
	s.aws(t, "efs", "create-mount-target", "--file-system-id", fs, "--subnet-id", s.subnets(t)[0])
	point := s.aws(t, "efs", "create-access-point", "--file-system-id", fs, "--posix-user", "Uid=1001,Gid=1002",
		"--root-directory", "Path=/app,CreationInfo={OwnerUid=1001,OwnerGid=1002,Permissions=750}", "--query", "AccessPointId", "--output", "text")
	takes(t, 20*time.Second, "the mount target", func() bool {
		return s.aws(t, "efs", "describe-mount-targets", "--file-system-id", fs, "--query", "MountTargets[0].LifeCycleState", "--output", "text") == "available"
	})
	volume := object{"volumes": []object{{"name": "data", "efsVolumeConfiguration": object{
		"fileSystemId": fs, "transitEncryption": "ENABLED", "authorizationConfig": object{"accessPointId": point},
	}}}}
	at := object{"mountPoints": []object{{"sourceVolume": "data", "containerPath": "/data"}}}
	named, numbered := s.imageOf(t, "named", "app"), s.imageOf(t, "numbered", "2000")

	killed := s.runs(t, "killed", volume, s.does("app", at, "put /data/before x", "become 999:998", "await /data/go", "put /data/killed x", "exit 0"))
	tests := []struct {
		name, image, user, who string
		drops                  bool
	}{
		{name: "root", image: s.image, who: "0:0"},
		{name: "root-that-drops", image: s.image, drops: true, who: "999:998"},
		{name: "own-name", image: named, who: "1500:1600"},
		{name: "own-number", image: numbered, who: "2000:0"},
		{name: "number", image: s.image, user: "1001", who: "1001:0"},
		{name: "number-of-an-account", image: named, user: "1500", who: "1500:1600"},
		{name: "numbers", image: named, user: "7:8", who: "7:8"},
		{name: "name", image: numbered, user: "app", who: "1500:1600"},
		{name: "name-and-group", image: named, user: "app:root", who: "1500:0"},
		{name: "root-by-name", image: named, user: "root", drops: true, who: "999:998"},
	}
	arns := map[string]string{}
	for _, tc := range tests {
		more := join(at, object{"image": tc.image})
		if tc.user != "" {
			more["user"] = tc.user
		}
		steps := []string{"who", "put /data/" + tc.name + " x", "cat /data/" + tc.name, "exit 0"}
		if tc.drops {
			steps = append([]string{"put /data/" + tc.name + "-first x", "become 999:998"}, steps...)
		}
		arns[tc.name] = s.runs(t, tc.name, volume, s.does("app", more, steps...))
	}
	for _, tc := range tests {
		task := s.reaches(t, arns[tc.name], "STOPPED")
		want := "who: " + tc.who + "\nput /data/" + tc.name + " x: done\ncat /data/" + tc.name + ": x"
		if said := s.lastWords(t, arns[tc.name])["app"]; !strings.HasSuffix(said, want) {
			t.Errorf("%s: %s said %q, want %q", tc.name, look(task), said, want)
			continue
		}
		s.belongs(t, filepath.Join(s.dir, "efs", fs, "app", tc.name), 1001, 1002)
	}
	s.belongs(t, filepath.Join(s.dir, "efs", fs, "app", "root-that-drops-first"), 1001, 1002)

	s.kill9(t)
	s.restart(t)
	if err := os.WriteFile(filepath.Join(s.dir, "efs", fs, "app", "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	task := s.reaches(t, killed, "STOPPED")
	if said := s.lastWords(t, killed)["app"]; !strings.HasSuffix(said, "put /data/killed x: done") {
		t.Errorf("after Skylift was killed: %s said %q", look(task), said)
	}
	s.belongs(t, filepath.Join(s.dir, "efs", fs, "app", "killed"), 1001, 1002)
	takes(t, 10*time.Second, "no file server without a mount", func() bool { return len(s.fileServers()) == 0 })

	arn := s.runs(t, "nobody", volume, s.does("app", join(at, object{"user": "nobody-at-all"}), "who"))
	if task := s.reaches(t, arn, "STOPPED"); !strings.Contains(*task.StoppedReason, "unable to find user nobody-at-all") {
		t.Errorf("a user that the image hasn't: %s", look(task))
	}
}

// belongs checks whose a file is.
func (s *stage) belongs(t *testing.T, file string, uid, gid uint32) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Error(err)
		return
	}
	if is := info.Sys().(*syscall.Stat_t); is.Uid != uid || is.Gid != gid {
		t.Errorf("%s is of %d:%d, not of %d:%d", file, is.Uid, is.Gid, uid, gid)
	}
}
