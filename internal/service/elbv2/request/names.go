package request

import (
	"regexp"
	"strings"
)

var nameChars = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// CheckName checks the name of a load balancer or target group.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return Invalid("%s name must be specified", what)
	case len(name) > 32:
		return Invalid("%s name '%s' cannot be longer than '32' characters", what, name)
	case !nameChars.MatchString(name):
		return Invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-)", what, name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return Invalid("%s name '%s' cannot begin or end with '-'", what, name)
	}
	return nil
}
