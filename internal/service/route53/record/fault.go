package record

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"
)

// NoZone is the error for an id that no zone has.
func NoZone(id string) error {
	return &types.NoSuchHostedZone{Message: new("No hosted zone found with ID: " + id)}
}

// NoChange is the error for an id that no change has.
func NoChange(id string) error {
	return &types.NoSuchChange{Message: new("Could not find resource with ID: " + id)}
}

// NoCheck is the error for an id that no health check has.
func NoCheck(id string) error {
	return &types.NoSuchHealthCheck{Message: new("No health check exists with the specified ID: " + id)}
}

// InvalidInput says what is wrong with a request.
func InvalidInput(format string, args ...any) error {
	return &types.InvalidInput{Message: new(fmt.Sprintf(format, args...))}
}

// Unsupported refuses a parameter, or a value of it.
func Unsupported(parameter, why string) error {
	return InvalidInput("The parameter '%s' is not supported by Skylift: %s", parameter, why)
}

// InvalidBatch says all that is wrong with a batch of changes.
func InvalidBatch(messages ...string) smithy.APIError {
	return &types.InvalidChangeBatch{Message: new("[" + strings.Join(messages, ", ") + "]"), Messages: messages}
}

// ManagedBy is the error for who changes what another service made.
func ManagedBy(o *Owner) error {
	return InvalidInput("The resource is managed by %s and can't be changed: %s", o.Principal, o.Description)
}
