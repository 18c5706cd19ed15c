package elbv2

import (
	"regexp"
	"strings"
)

var nameChars = regexp.MustCompile(`^[A-Za-z0-9-]+$`)

// checkName checks the name of a load balancer or target group.
func checkName(what, name string) error {
	switch {
	case name == "":
		return invalid("%s name must be specified", what)
	case len(name) > 32:
		return invalid("%s name '%s' cannot be longer than '32' characters", what, name)
	case !nameChars.MatchString(name):
		return invalid("%s name '%s' can only contain characters that are alphanumeric characters and hyphens(-)", what, name)
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-"):
		return invalid("%s name '%s' cannot begin or end with '-'", what, name)
	}
	return nil
}
