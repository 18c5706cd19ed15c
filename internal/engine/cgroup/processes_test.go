package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
)

// tree is what a hierarchy of cgroups has in its files, by path.
func tree(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// versions are the layouts of cgroups that there are, with the directory of task
// "ab" in each.
var versions = map[string]struct {
	groups Groups
	task   string
}{
	"v1":        {Groups{instance: "0123"}, "pids/skylift/0123/ab"},
	"v2":        {Groups{instance: "0123", unified: true}, "skylift/0123/ab"},
	"v1 slices": {Groups{instance: "0123", slices: true}, "pids/skylift.slice/skylift-0123.slice/skylift-0123-ab.slice"},
	"v2 slices": {Groups{instance: "0123", slices: true, unified: true}, "skylift.slice/skylift-0123.slice/skylift-0123-ab.slice"},
}

func TestProcessesOfEachVersion(t *testing.T) {
	t.Parallel()
	for name, v := range versions {
		for _, tc := range []struct {
			name  string
			files map[string]string
			want  engine.ProcessStats
		}{
			{"none refused", map[string]string{"pids.current": "7\n", "pids.max": "1024\n", "pids.events": "max 0\n", "c1/pids.events": "max 0\n"}, engine.ProcessStats{Now: 7, Limit: 1024}},
			{"counted where the process is", map[string]string{"pids.current": "9\n", "pids.max": "9\n", "pids.events": "max 0\n", "c1/pids.events": "max 3\n", "c2/pids.events": "max 2\n"}, engine.ProcessStats{Now: 9, Limit: 9, Refused: 5}},
			{"counted above too", map[string]string{"pids.current": "9\n", "pids.max": "9\n", "pids.events": "max 6\n", "c1/pids.events": "max 3\n"}, engine.ProcessStats{Now: 9, Limit: 9, Refused: 6}},
			{"made before there were limits", map[string]string{"pids.current": "9\n", "pids.max": "max\n"}, engine.ProcessStats{Now: 9}},
		} {
			files := map[string]string{}
			for file, text := range tc.files {
				files[filepath.Join(v.task, file)] = text
			}
			g := v.groups
			g.root = tree(t, files)
			if got, err := g.processes("ab"); err != nil || got != tc.want {
				t.Errorf("%s, %s: %+v, %v, want %+v", name, tc.name, got, err, tc.want)
			}
			if _, err := g.processes("cd"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: a task that isn't there: %v", name, err)
			}
		}
	}
}

// TestLimitsOfEachVersion names the files in which a task's limits, and those of
// all tasks, are written. A slice's are systemd's: TestSliceLimits.
func TestLimitsOfEachVersion(t *testing.T) {
	t.Parallel()
	task := engine.Task{ID: "ab", CPU: 512, Memory: 1024}
	pool := engine.NewProcessPool(32768, 100000, 8192) // 24576: 1 GiB of 8 may have 3072
	for name, want := range map[string]map[string]string{
		"v1": {
			"pids/skylift/pids.max": "24576", "pids/skylift/0123/ab/pids.max": "3072",
			"memory/skylift/0123/ab/memory.limit_in_bytes": "1073741824", "memory/skylift/0123/ab/memory.memsw.limit_in_bytes": "1073741824",
			"cpu/skylift/0123/ab/cpu.cfs_quota_us": "50000", "cpu/skylift/0123/ab/cpu.shares": "512",
		},
		"v2": {
			"skylift/pids.max": "24576", "skylift/0123/ab/pids.max": "3072",
			"skylift/0123/ab/memory.max": "1073741824", "skylift/0123/ab/memory.swap.max": "0",
			"skylift/0123/ab/cpu.max": "50000 100000", "skylift/0123/ab/cpu.weight": "20",
			"cgroup.subtree_control": "+cpu +memory +pids", "skylift/cgroup.subtree_control": "+cpu +memory +pids", "skylift/0123/cgroup.subtree_control": "+cpu +memory +pids",
		},
	} {
		empty := map[string]string{}
		for file := range want {
			empty[file] = ""
		}
		g := versions[name].groups
		g.root, g.usable, g.pool = tree(t, empty), true, pool
		if err := errors.Join(g.prepare(), g.Limit(t.Context(), task)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := map[string]string{}
		for file := range want {
			text, err := os.ReadFile(filepath.Join(g.root, file))
			if err != nil {
				t.Fatal(err)
			}
			got[file] = string(text)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestThePoolIsTheHosts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files map[string]string
		want  int
	}{
		"pid_max is less":     {map[string]string{"pid_max": "40000\n", "threads-max": "192729\n"}, 30000},
		"threads-max is less": {map[string]string{"pid_max": "4194304\n", "threads-max": "80000\n"}, 60000},
		"nothing is told":     {nil, 24576},
		"nonsense":            {map[string]string{"pid_max": "many", "threads-max": "-1"}, 24576},
	} {
		want := engine.ProcessPool{All: tc.want, Memory: 512}
		if got := findPool(tree(t, tc.files), 512); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}
