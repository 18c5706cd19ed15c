package ecs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"
)

// faults are all that is wrong with a call, in the order of its parts: each a
// sentence that names the part, the parameter and the way out. Who sends a
// wrong call learns of everything at once.
type faults []string

// add notes a fault.
func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// take notes what an error of a caller's says.
func (f *faults) take(err error) {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		f.add("%s", e.ErrorMessage())
	}
}

// setting notes that a container's setting is wrong, and how it has to be.
func (f *faults) setting(setting, container, format string, args ...any) {
	f.add("Invalid '%s' setting for container '%s': %s.", setting, container, fmt.Sprintf(format, args...))
}

// foreign notes a parameter of a container that FARGATE tasks can't have, in
// ECS's words, which name neither the container nor the parameter.
func (f *faults) foreign(parameter, container, words string) {
	f.add("%s (Leave %s of container '%s' out.)", words, parameter, container)
}

// lacks notes a parameter that only the other launch types have.
func (f *faults) lacks(parameter, of string) {
	f.add("Fargate compatible task definitions do not support %s. (Leave %s of %s out.)", parameter, parameter, of)
}

// each is an error of each fault, made by fail: what an operation's declaration
// is told.
func (f faults) each(fail func(string, ...any) error) (all []error) {
	for _, text := range f {
		all = append(all, fail("%s", text))
	}
	return all
}

// err is one error of all faults, made by fail; nil when there is none.
func (f faults) err(fail func(string, ...any) error) error {
	if len(f) == 0 {
		return nil
	}
	return fail("%s", strings.Join(f, " "))
}
