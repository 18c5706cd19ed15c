package engine

import "testing"

func TestProcessesOfATask(t *testing.T) {
	t.Parallel()
	large := NewProcessPool(4194304, 192729, 24107) // 24 GiB under systemd
	small := NewProcessPool(32768, 192729, 24107)   // the kernel's own pid_max
	tiny := NewProcessPool(4194304, 4096, 512)
	for _, c := range []struct {
		name   string
		host   ProcessPool
		memory int64
		want   int
	}{
		{"as Fargate's machine of 512 MiB, less the reserve", large, 512, 3069},
		{"larger", large, 4096, 24559},
		{"the cap", large, 16384, 32768},
		{"the floor", small, 512, 1024},
		{"a share", small, 4096, 4175},
		{"all of it", small, 1 << 20, 24576},
		{"no limit of memory", large, 0, 1024},
		{"a host that has little", tiny, 512, 3072},
		{"a host that has nearly nothing", NewProcessPool(301, 4096, 512), 512, 226},
		{"a host that says nothing", ProcessPool{}, 512, 1},
	} {
		if got := c.host.OfTask(Task{Memory: c.memory}); got != c.want {
			t.Errorf("%s: %d MiB may have %d processes, want %d", c.name, c.memory, got, c.want)
		}
	}
}

func TestProcessesOfAContainer(t *testing.T) {
	t.Parallel()
	host, task := NewProcessPool(32768, 192729, 24107), Task{Memory: 512}
	nofile := Ulimit{Name: "nofile", Soft: 5, Hard: 5}
	for _, c := range []struct {
		name  string
		limit []Ulimit
		want  int
	}{
		{"none", nil, 1024},
		{"another", []Ulimit{nofile}, 1024},
		{"lower", []Ulimit{nofile, {Name: "nproc", Soft: 100, Hard: 200}}, 200},
		{"higher", []Ulimit{{Name: "nproc", Soft: 65535, Hard: 65535}}, 1024},
		{"unlimited", []Ulimit{{Name: "nproc", Soft: -1, Hard: -1}}, 1024},
		{"less than a start takes", []Ulimit{{Name: "nproc"}}, 16},
	} {
		if got := host.OfContainer(task, Container{Ulimits: c.limit}); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if got := (Container{Ulimits: []Ulimit{{Name: "nproc"}, nofile}}).ProcessUlimits(); len(got) != 1 || got[0] != nofile {
		t.Errorf("limits on each process are %v, want nofile's", got)
	}
}
