package tasks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// DiskFull finds tasks that wrote more than they may.
var DiskFull = finding.Check{
	Number: 23, Name: "storage-full", Title: "The task has written more than its storage, or the disk is full",
	Shows: "Tasks stop with \"no space left on device\".",
	Known: "What the task had written, how much it may, and how much room the disk has.",
	Mend:  "Write less, ask for more ephemeralStorage, or make room on the disk.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return append(each(s, storageFull), stoppedFull(s)...) },
}

var noSpace = regexp.MustCompile(`(?i)no space left on device|ENOSPC`)

func storageFull(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	if _, printed := f.prints(noSpace); !printed || strings.Contains(f.task.Reason, "ephemeral storage") {
		return finding.Finding{}, false
	}
	is := f.finding(s, "full", fmt.Sprintf("%s found no room to write to", f.who()))
	is.Mend = []finding.Mend{finding.Change("see in skylift status how full the disk is; or write less")}
	return is, true
}

// stoppedFull finds tasks that were stopped for what they had written, which is no failure to start.
func stoppedFull(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, t := range snapshot.Newest(s.Tasks) {
		if !strings.Contains(t.Reason, "ephemeral storage") || !strings.Contains(t.Reason, "no space left on device") {
			continue
		}
		f := failure{task: t}
		is := f.finding(s, "storage", fmt.Sprintf("%s was stopped: %s", f.who(), t.Reason))
		is.Mend = revise(s, f, "let it write more", func(d *types.TaskDefinition) {
			d.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: min(200, 2*t.StorageSize())}
		})
		out = append(out, is)
	}
	return out
}
