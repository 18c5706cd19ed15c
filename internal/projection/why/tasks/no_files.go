package tasks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// NoFiles finds tasks whose file systems can't be mounted.
var NoFiles = finding.Check{
	Number: 20, Name: "no-files", Title: "An EFS file system can't be mounted",
	Shows: "Tasks stop with \"ResourceInitializationError: failed to invoke EFS utils commands\", or the app may not write there.",
	Known: "What the mount said, and what the app printed.",
	Mend:  "Make a mount target in the task's zone, correct the directory, or use an access point with the app's user.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, noFiles) },
}

var (
	mountDenied = regexp.MustCompile(`access denied by server`)
	notAllowed  = regexp.MustCompile(`(?i)permission denied|EACCES`)
)

func noFiles(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	id := fileSystem(s, f)
	if id == "" {
		return finding.Finding{}, false
	}
	reason := f.task.Reason
	switch {
	case !strings.HasPrefix(reason, "ResourceInitializationError") || !strings.Contains(reason, "EFS") && !strings.Contains(reason, "mount") && !strings.Contains(reason, "Failed to resolve"):
		line, denied := f.prints(notAllowed)
		if path := mountedAt(s, f); !denied || path == "" || !strings.Contains(line, path) {
			return finding.Finding{}, false
		}
		is := f.finding(s, "rights/"+id, fmt.Sprintf("%s may not write to file system %s: its user has no rights there", f.who(), id))
		is.Mend = []finding.Mend{finding.Change("mount it by an access point whose PosixUser and RootDirectory's CreationInfo are those of the app's user")}
		return is, true
	case strings.Contains(reason, "Failed to resolve"):
		is := f.finding(s, "target/"+id, fmt.Sprintf("%s can't mount file system %s: it has no mount target in zone %s", f.who(), id, f.task.Zone))
		is.Mend = append([]finding.Mend{finding.Do("make one", finding.NewCall("efs", "CreateMountTarget", "FileSystemId", id, "SubnetId", f.task.Subnet, "SecurityGroups", f.task.Network.SecurityGroups))}, again(s, f, "and try again at once")...)
		return is, true
	case mountDenied.MatchString(reason):
		is := f.finding(s, "policy/"+id, fmt.Sprintf("%s may not mount file system %s: its policy or the task's role doesn't allow it", f.who(), id))
		is.Mend = []finding.Mend{finding.Do("see the policy", finding.NewCall("efs", "DescribeFileSystemPolicy", "FileSystemId", id)), finding.Change("allow elasticfilesystem:ClientMount and ClientWrite to the task's role")}
		return is, true
	}
	is := f.finding(s, "mount/"+id, fmt.Sprintf("%s can't mount its directory of file system %s", f.who(), id))
	is.Mend = []finding.Mend{finding.Change("name a directory that exists in rootDirectory, or an access point, which makes its own")}
	return is, true
}

// fileSystem is the first file system of the task's definition; "" when it has none.
func fileSystem(s *snapshot.Snapshot, f failure) string {
	for _, v := range s.Definitions[f.task.TaskDefinition].Volumes {
		if v.EfsVolumeConfiguration != nil {
			return aws.ToString(v.EfsVolumeConfiguration.FileSystemId)
		}
	}
	return ""
}

// mountedAt is where the container has the file system.
func mountedAt(s *snapshot.Snapshot, f failure) string {
	if f.container == nil {
		return ""
	}
	c, _ := s.Definition(f.task, f.container.Name)
	for _, v := range s.Definitions[f.task.TaskDefinition].Volumes {
		for _, m := range c.MountPoints {
			if v.EfsVolumeConfiguration != nil && aws.ToString(m.SourceVolume) == aws.ToString(v.Name) {
				return aws.ToString(m.ContainerPath)
			}
		}
	}
	return ""
}
