package tasks

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// OutOfMemory finds containers that were killed for their memory.
var OutOfMemory = finding.Check{
	Number: 13, Name: "out-of-memory", Title: "A container is killed for its memory",
	Shows: "Tasks stop with exit code 137: OutOfMemoryError.",
	Known: "The kernel's word that it killed a process of the container, and the limit that was reached.",
	Mend:  "Give the container, or the task, more memory; or find out what it needs it for.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, outOfMemory) },
}

func outOfMemory(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	c := f.container
	if c == nil || !f.remains.OOM && !strings.HasPrefix(c.Reason, "OutOfMemoryError") {
		return finding.Finding{}, false
	}
	limit, of := c.Memory, "the container's memory"
	if limit == "" {
		limit, of = f.task.Memory, "the task's memory"
	}
	is := f.finding(s, "oom/"+c.Name, fmt.Sprintf("%s was killed because it needed more than its %s MiB: %s", f.who(), limit, of))
	mib, _ := strconv.Atoi(limit)
	is.Mend = revise(s, f, fmt.Sprintf("give it %d MiB", 2*mib), func(d *types.TaskDefinition) {
		if part := container(d, c.Name); part.Memory != nil {
			part.Memory = aws.Int32(int32(2 * mib))
		}
		if total, _ := strconv.Atoi(aws.ToString(d.Memory)); total < 2*mib {
			d.Memory = aws.String(strconv.Itoa(2 * mib))
		}
	})
	return is, true
}
