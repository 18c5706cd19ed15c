package ecs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
)

// Invalid is ECS's InvalidParameterException.
func Invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// Client is ECS's ClientException.
func Client(format string, args ...any) error {
	return &types.ClientException{Message: aws.String(fmt.Sprintf(format, args...))}
}

// Faults are all that is wrong with a call, in the order of its parts: each a
// sentence that names the part, the parameter and the way out. Who sends a
// wrong call learns of everything at once.
type Faults []string

// Add notes a fault.
func (f *Faults) Add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// Take notes what an error of a caller's says.
func (f *Faults) Take(err error) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		f.Add("%s", e.ErrorMessage())
	}
}

// Each is an error of each fault, made by fail: what an operation's declaration
// is told.
func (f Faults) Each(fail func(string, ...any) error) (all []error) {
	for _, text := range f {
		all = append(all, fail("%s", text))
	}
	return all
}

// Err is one error of all faults, made by fail; nil when there is none.
func (f Faults) Err(fail func(string, ...any) error) error {
	if len(f) == 0 {
		return nil
	}
	return fail("%s", strings.Join(f, " "))
}
