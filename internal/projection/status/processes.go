package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/service/ecs"
)

// crowdedNamed is how many tasks of a group are named.
const crowdedNamed = 3

// crowded says which running tasks could not start a process because they had
// reached their limit.
func (in *Input) crowded() (out []string) {
	groups, limits := map[string][]string{}, map[string]int{}
	for _, t := range in.tasks {
		if t.ProcessLimit > 0 && t.Status != ecs.Stopped {
			name := fmt.Sprintf("%s (cluster %s)", t.Group, t.Cluster)
			groups[name] = append(groups[name], t.ID[:min(8, len(t.ID))])
			limits[name] = t.ProcessLimit
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		ids := groups[name]
		named := strings.Join(ids[:min(crowdedNamed, len(ids))], ", ")
		if len(ids) > crowdedNamed {
			named += ", …"
		}
		how := "a task"
		if len(ids) > 1 {
			how = fmt.Sprintf("%d tasks", len(ids))
		}
		out = append(out, fmt.Sprintf("%s of %s could not start a process or a thread: such a task may have %d (%s)", how, name, limits[name], named))
	}
	return out
}
