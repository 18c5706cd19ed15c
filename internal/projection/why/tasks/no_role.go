package tasks

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// NoRole finds tasks whose role can't be assumed, or lacks a permission.
var NoRole = finding.Check{
	Number: 22, Name: "no-role", Title: "A role can't be assumed, or lacks a permission",
	Shows: "Tasks stop with \"ECS was unable to assume the role\", or the app prints AccessDenied.",
	Known: "What ECS said, or the line that the app printed last about a call that was denied.",
	Mend:  "Let ecs-tasks.amazonaws.com assume the role, or give it the permission.",
	Find:  func(s *snapshot.Snapshot) []finding.Finding { return each(s, noRole) },
}

var (
	notAssumed = regexp.MustCompile(`unable to assume the role '([^']+)'`)
	unallowed  = regexp.MustCompile(`(\S+) is not authorized to perform: (\S+)(?: on resource: (\S+))?`)
)

// trust is the policy that lets tasks have a role.
const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func noRole(s *snapshot.Snapshot, f failure) (finding.Finding, bool) {
	if found := notAssumed.FindStringSubmatch(f.task.Reason); found != nil {
		role := found[1]
		is := f.finding(s, "role/"+role, fmt.Sprintf("%s can't have role %s: it doesn't exist, or doesn't trust ecs-tasks.amazonaws.com", f.who(), role))
		is.About = append(is.About, snapshot.RoleKey(role))
		is.Mend = append([]finding.Mend{
			finding.Do("let tasks have it", finding.NewCall("iam", "UpdateAssumeRolePolicy", "RoleName", snapshot.RoleName(role), "PolicyDocument", trust)),
			finding.Do("or make it", finding.NewCall("iam", "CreateRole", "RoleName", snapshot.RoleName(role), "AssumeRolePolicyDocument", trust)),
		}, again(s, f, "and try again at once")...)
		return is, true
	}
	line, denied := f.prints(unallowed)
	if !denied || f.task.Role == "" {
		return finding.Finding{}, false
	}
	found := unallowed.FindStringSubmatch(line)
	resource := strings.TrimRight(found[3], ".,;")
	if resource == "" {
		resource = "*"
	}
	is := f.finding(s, "denied/"+found[2], fmt.Sprintf("role %s of %s has no permission for %s on %s", snapshot.RoleName(f.task.Role), f.who(), found[2], resource))
	is.About = append(is.About, snapshot.RoleKey(f.task.Role))
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":%q,"Resource":%q}]}`, found[2], resource)
	is.Mend = []finding.Mend{finding.Do("give it to the role", finding.NewCall("iam", "PutRolePolicy", "RoleName", snapshot.RoleName(f.task.Role), "PolicyName", "more", "PolicyDocument", policy))}
	return is, true
}
