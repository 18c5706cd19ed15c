package tasks

import (
	"fmt"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// NoLogGroup finds tasks whose output has nowhere to go.
var NoLogGroup = finding.Check{
	Number: 19, Name: "no-log-group", Title: "The log group doesn't exist",
	Shows: "Tasks stop with \"failed to validate logger args: create stream\".",
	Known: "What the log service said, and the group and region that the definition names.",
	Mend:  "Make the log group, or set awslogs-create-group.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, noLogGroup) },
}

func noLogGroup(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	if !strings.Contains(f.task.Reason, "failed to create Cloudwatch log stream") {
		return finding.Finding{}, false
	}
	for _, c := range s.Definitions[f.task.TaskDefinition].ContainerDefinitions {
		if c.LogConfiguration == nil {
			continue
		}
		group := c.LogConfiguration.Options["awslogs-group"]
		if group == "" {
			continue
		}
		is := f.finding(s, "logs/"+group, fmt.Sprintf("%s can't start because its output can't be stored in log group %s", f.who(), group))
		is.About = append(is.About, snapshot.LogGroupKey(group))
		if strings.Contains(f.task.Reason, "ResourceNotFoundException") {
			is.Cause = fmt.Sprintf("%s can't start because there is no log group %s", f.who(), group)
			is.Mend = []finding.Mend{finding.Do("make it", finding.NewCall("logs", "CreateLogGroup", "logGroupName", group))}
		} else if strings.Contains(f.task.Reason, "AccessDenied") {
			is.Mend = []finding.Mend{finding.Do("let the execution role write there", finding.NewCall("iam", "AttachRolePolicy", "RoleName", s.ExecutionRole(f.task),
				"PolicyArn", "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"))}
		}
		is.Mend = append(is.Mend, again(s, f, "and try again at once")...)
		return is, true
	}
	return finding.Finding{}, false
}
