package tasks

import (
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// ReadOnly finds apps that write to a root file system that they may only read.
var ReadOnly = finding.Check{
	Number: 24, Name: "read-only-root", Title: "The app writes to a read-only root file system",
	Shows: "The app ends with \"Read-only file system\".",
	Known: "The line that the app printed, and readonlyRootFilesystem of the definition.",
	Mend:  "Mount a volume where the app writes, or take readonlyRootFilesystem away.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, readOnly) },
}

var cantWrite = regexp.MustCompile(`(?i)read-only file ?system|EROFS`)

func readOnly(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	line, printed := f.prints(cantWrite)
	if !printed || f.container == nil {
		return finding.Finding{}, false
	}
	if c, _ := s.Definition(f.task, f.container.Name); !aws.ToBool(c.ReadonlyRootFilesystem) {
		return finding.Finding{}, false
	}
	is := f.finding(s, "read-only/"+f.container.Name, fmt.Sprintf("%s writes to its root file system, which readonlyRootFilesystem makes read-only: %.160q", f.who(), line))
	is.Mend = append([]finding.Mend{finding.Change("mount a volume where it writes; or")}, revise(s, f, "let it write", func(d *types.TaskDefinition) {
		container(d, f.container.Name).ReadonlyRootFilesystem = aws.Bool(false)
	})...)
	return is, true
}
