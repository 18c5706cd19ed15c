package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// OOMKills returns how many processes of a container the kernel has killed for
// memory, whoever's limit it was. It is known until the container's cgroup is
// removed, whose name is id.
func (g Groups) OOMKills(task, id string) int64 {
	if !g.usable {
		return 0
	}
	file := "memory.oom_control"
	if g.unified {
		file = "memory.events"
	}
	return number(filepath.Join(g.hierarchy("memory"), g.path(task), g.leaf(id), file), "oom_kill ")
}

// number returns what stands behind key in a line of one of the kernel's files; 0
// when there is no such line, or no such file.
func number(file, key string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // the kernel writes numbers
			return n
		}
	}
	return 0
}

// leaf is the name of a container's cgroup in that of its task.
func (g Groups) leaf(id string) string {
	if g.slices {
		return "skylift-" + id + ".scope"
	}
	return id
}
