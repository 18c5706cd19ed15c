package cgroup

import (
	"bufio"
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
	text, err := os.ReadFile(filepath.Join(g.hierarchy("memory"), g.path(task), g.leaf(id), file))
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		if n, ok := strings.CutPrefix(lines.Text(), "oom_kill "); ok {
			count, _ := strconv.ParseInt(n, 10, 64) // the kernel writes numbers
			return count
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
