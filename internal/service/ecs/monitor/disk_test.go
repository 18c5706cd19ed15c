package monitor

import (
	"testing"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
)

func TestGreediest(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	old := &ecs.Task{ID: "old", CreatedAt: time.Unix(1, 0)}
	young := &ecs.Task{ID: "young", CreatedAt: time.Unix(2, 0)}
	shared := place{fileSystem: "fs-1"}
	for _, tt := range []struct {
		name string
		all  []growth
		want string
	}{
		{"nobody writes", nil, ""},
		{"somebody else fills the disk", []growth{{old, shared, leastGrowth - 1}, {young, place{task: "young"}, -5}}, ""},
		{"who wrote most", []growth{{old, shared, 20 * mib}, {young, place{task: "young"}, 10 * mib}}, "old"},
		{"what takes most but didn't grow stays", []growth{{old, shared, 0}, {young, place{task: "young"}, 9 * mib}}, "young"},
		{"who came last of those that write to one", []growth{{young, shared, 20 * mib}, {old, shared, 20 * mib}}, "young"},
		{"ephemeral storage counts as well", []growth{{old, place{task: "old"}, 30 * mib}, {young, shared, 20 * mib}}, "old"},
	} {
		got := ""
		if g, ok := greediest(tt.all); ok {
			got = g.task.ID
		}
		if got != tt.want {
			t.Errorf("%s: %q is stopped, want %q", tt.name, got, tt.want)
		}
	}
}
