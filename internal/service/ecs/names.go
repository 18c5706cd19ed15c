package ecs

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/store"
)

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// ValidName says whether a cluster, a service, a family, a container or a volume may have the name.
func ValidName(name string) bool { return nameForm.MatchString(name) }

// ParseDefinition reads family, family:revision or one of our ARNs.
func ParseDefinition(ref string) (family string, revision int32, err error) {
	if _, rest, ok := strings.Cut(ref, ":task-definition/"); ok {
		ref = rest
	}
	family, number, ok := strings.Cut(ref, ":")
	switch {
	case family == "":
		return "", 0, Invalid("TaskDefinition cannot be empty.")
	case !ok:
		return family, 0, nil
	}
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil || n < 1 {
		return "", 0, Invalid("Invalid revision number. Number: %s", number)
	}
	return family, int32(n), nil
}

// DefinitionKey is a revision's key: revisions of a family sort by number.
func DefinitionKey(family string, revision int32) string {
	return fmt.Sprintf("%s/%010d", family, revision)
}

// DefinitionByARN returns the revision with that ARN.
func DefinitionByARN(tx store.Tx, arn string) (TaskDefinition, error) {
	family, revision, err := ParseDefinition(arn)
	if err != nil {
		return TaskDefinition{}, err
	}
	return Definitions.Get(tx, DefinitionKey(family, revision))
}
