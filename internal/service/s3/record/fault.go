package record

import (
	"fmt"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
)

// Fault makes an error that S3's error list has
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList).
func Fault(code, format string, args ...any) error { return awserr.New(code, format, args...) }

// Told is an error that says more than its code and message.
type Told struct {
	*smithy.GenericAPIError
	head     map[string]string
	elements [][2]string
}

// Details returns what else it says.
func (t *Told) Details() (head map[string]string, elements [][2]string) { return t.head, t.elements }

// Tell makes an error that has headers, and elements of its body as names and texts that follow each other.
func Tell(code, message string, head map[string]string, elements ...string) error {
	t := &Told{GenericAPIError: &smithy.GenericAPIError{Code: code, Message: message, Fault: smithy.FaultClient}, head: head}
	for i := 0; i+1 < len(elements); i += 2 {
		t.elements = append(t.elements, [2]string{elements[i], elements[i+1]})
	}
	return t
}

// NoBucket is the error for a bucket that isn't there.
func NoBucket(name string) error {
	return Tell("NoSuchBucket", "The specified bucket does not exist", nil, "BucketName", name)
}

// NoKey is the error for a key without an object.
func NoKey(key string) error {
	return Tell("NoSuchKey", "The specified key does not exist.", nil, "Key", key)
}

// NoVersion is the error for a version that isn't there.
func NoVersion(key, id string) error {
	return Tell("NoSuchVersion", "The specified version does not exist.", nil, "Key", key, "VersionId", id)
}

// NoUpload is the error for an upload that isn't there.
func NoUpload(id string) error {
	return Tell("NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.", nil, "UploadId", id)
}

// NotMet is the error for a condition of a request that isn't met.
func NotMet(condition string) error {
	return Tell("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", nil, "Condition", condition)
}

// Invalid is the error for an argument that can't be.
func Invalid(name, value, format string, args ...any) error {
	return Tell("InvalidArgument", fmt.Sprintf(format, args...), nil, "ArgumentName", name, "ArgumentValue", value)
}
