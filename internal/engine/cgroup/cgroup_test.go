package cgroup

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
)

// TestPurgeInEitherVersion removes cgroups from a tree as v2 has it, with files
// beside the cgroups, and from one of v1, with a hierarchy for each controller.
func TestPurgeInEitherVersion(t *testing.T) {
	t.Parallel()
	for version, mounts := range map[string][]string{"v1": {"memory", "cpu"}, "v2": {""}} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "cgroup.controllers"), []byte("cpu memory\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, m := range mounts {
				if err := os.MkdirAll(filepath.Join(root, m, "skylift", "0123456789ab"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := purge(t.Context(), root, "0123456789ab"); err != nil {
				t.Fatal(err)
			}
			for _, m := range mounts {
				if _, err := os.Stat(filepath.Join(root, m, "skylift")); err == nil {
					t.Errorf("%q is left", filepath.Join(m, "skylift"))
				}
			}
		})
	}
}

// TestSliceLimits names what systemd is told to limit.
func TestSliceLimits(t *testing.T) {
	t.Parallel()
	task := engine.Task{ID: "ab", CPU: 512, Memory: 1024}
	const processes = 2048
	for _, tt := range []struct {
		unified bool
		want    map[string]uint64
	}{
		{true, map[string]uint64{"TasksMax": processes, "MemoryMax": 1 << 30, "MemorySwapMax": 0, "CPUQuotaPerSecUSec": 500_000, "CPUWeight": 20}},
		{false, map[string]uint64{"TasksMax": processes, "MemoryLimit": 1 << 30, "CPUQuotaPerSecUSec": 500_000, "CPUShares": 512}},
	} {
		got := map[string]uint64{}
		for _, p := range sliceLimits(tt.unified, task, processes)[1:] {
			got[p.Name] = p.Value.Value().(uint64)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("limits, unified %v (-want +got):\n%s", tt.unified, d)
		}
	}
	if got, want := slicePath("0123", "ab"), "skylift.slice/skylift-0123.slice/skylift-0123-ab.slice"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
}
