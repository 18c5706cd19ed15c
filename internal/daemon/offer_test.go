package daemon

import (
	"testing"
	"testing/fstest"
)

func TestMachineSize(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal:       24683968 kB\nMemFree:        20388928 kB\n"
	tests := []struct {
		name   string
		files  map[string]string
		cores  float64
		memory int
	}{
		{"a machine", nil, 4, 24105},
		{"cgroup v1 without limits", map[string]string{
			"memory/memory.limit_in_bytes": "9223372036854771712\n", "cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n",
		}, 4, 24105},
		{"a container, v1", map[string]string{
			"memory/memory.limit_in_bytes": "2147483648\n", "cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n",
		}, 1.5, 2048},
		{"a container, v2", map[string]string{"memory.max": "1073741824\n", "cpu.max": "200000 100000\n"}, 2, 1024},
		{"a container without limits, v2", map[string]string{"memory.max": "max\n", "cpu.max": "max 100000\n"}, 4, 24105},
		{"limits beyond the machine", map[string]string{"memory.max": "99999999999999\n", "cpu.max": "800000 100000\n"}, 4, 24105},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{"proc/meminfo": {Data: []byte(meminfo)}}
			for name, data := range tt.files {
				root["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(data)}
			}
			cores, memory, err := machineSize(root, 4)
			if err != nil || cores != tt.cores || memory != tt.memory {
				t.Errorf("got %v cores, %d MiB, %v; want %v cores, %d MiB", cores, memory, err, tt.cores, tt.memory)
			}
		})
	}
	if _, _, err := machineSize(fstest.MapFS{}, 4); err == nil {
		t.Error("no error without /proc")
	}
}

func TestOffer(t *testing.T) {
	t.Parallel()
	all, err := Config{CPUOvercommit: 4}.offer()
	if err != nil || all.CPU < 4096 || all.Memory <= 0 {
		t.Fatalf("this machine offers %v, %v", all, err)
	}
	some, err := Config{CPUOvercommit: 1, Memory: 64}.offer()
	if err != nil || some.CPU != all.CPU/4 || some.Memory != 64 {
		t.Errorf("with --memory 64 it offers %v, %v", some, err)
	}
	if _, err := (Config{CPUOvercommit: 1, Memory: 1 << 40}).offer(); err == nil {
		t.Error("it offers more memory than it has")
	}
}
