// Package awserr makes the errors that leave the building: an AWS error code
// and a message for the caller.
package awserr

import (
	"errors"
	"fmt"

	"github.com/aws/smithy-go"
)

// New returns a client fault with an AWS error code, for codes that the SDK
// has no type for (those of EC2, say). Where it has one, return that type.
// The message names the field and the fix.
func New(code, format string, args ...any) error {
	return &smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// ForCaller returns what may leave the building: a modelled error as it is,
// anything else as an opaque server fault.
func ForCaller(err error) smithy.APIError {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e
	}
	return &smithy.GenericAPIError{Code: "ServerException", Message: "internal error", Fault: smithy.FaultServer}
}

// Detailed is an error that says more than its code and message: headers of the answer, and elements of an XML body, each a
// name and a text.
type Detailed interface {
	error
	Details() (head map[string]string, elements [][2]string)
}
