package cgroup

import "testing"

func TestVictimLine(t *testing.T) {
	t.Parallel()
	const line = "6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=0a1b,mems_allowed=0," +
		"oom_memcg=/skylift/i/t,task_memcg=/skylift/i/t/0a1b,task=app,pid=7,uid=0"
	for _, tc := range []struct {
		record, id string
		want       bool
	}{{line, "0a1b", true}, {line, "ffff", false}, {"6,1,2,-;something else 0a1b", "0a1b", false}} {
		if got := victimLine(tc.record, tc.id); got != tc.want {
			t.Errorf("victimLine(%q, %q) = %v, want %v", tc.record, tc.id, got, tc.want)
		}
	}
}
