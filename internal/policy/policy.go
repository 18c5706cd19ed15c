// Package policy decides who may do what.
//
// The root key of an account may do everything; nobody else may do anything.
package policy

import (
	"fmt"
	"strings"
)

// Request is one action that somebody wants to take.
type Request struct {
	Principal string   // ARN of the caller
	Action    string   // ecs:CreateService
	Resources []string // ARNs, each of which must be allowed; "*" alone for an action that is on none
}

// Denied says that a request is not allowed.
type Denied struct{ Request }

func (d *Denied) Error() string {
	on := ""
	if len(d.Resources) > 0 {
		on = " on resource: " + d.Resources[0]
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s%s because no identity-based policy allows the %s action", d.Principal, d.Action, on, d.Action)
}

// Authorize returns nil when r is allowed, else a *Denied.
func Authorize(r Request) error {
	if isRoot(r.Principal) {
		return nil
	}
	return &Denied{r}
}

func isRoot(arn string) bool {
	f := strings.Split(arn, ":")
	return len(f) == 6 && f[0] == "arn" && f[2] == "iam" && f[5] == "root"
}
