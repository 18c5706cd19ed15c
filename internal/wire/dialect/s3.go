package dialect

import "net/http"

// s3Statuses are those of S3's errors, where it isn't 400
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList).
var s3Statuses = map[string]int{
	"AccessDenied":                         http.StatusForbidden,
	"BucketAlreadyExists":                  http.StatusConflict,
	"BucketAlreadyOwnedByYou":              http.StatusConflict,
	"BucketNotEmpty":                       http.StatusConflict,
	"ConditionalRequestConflict":           http.StatusConflict,
	"InsufficientCapacity":                 http.StatusInsufficientStorage,
	"InternalError":                        http.StatusInternalServerError,
	"InvalidAccessKeyId":                   http.StatusForbidden,
	"InvalidBucketState":                   http.StatusConflict,
	"InvalidObjectState":                   http.StatusForbidden,
	"InvalidRange":                         http.StatusRequestedRangeNotSatisfiable,
	"MethodNotAllowed":                     http.StatusMethodNotAllowed,
	"MissingContentLength":                 http.StatusLengthRequired,
	"NoSuchBucket":                         http.StatusNotFound,
	"NoSuchBucketPolicy":                   http.StatusNotFound,
	"NoSuchCORSConfiguration":              http.StatusNotFound,
	"NoSuchKey":                            http.StatusNotFound,
	"NoSuchLifecycleConfiguration":         http.StatusNotFound,
	"NoSuchPublicAccessBlockConfiguration": http.StatusNotFound,
	"NoSuchTagSet":                         http.StatusNotFound,
	"NoSuchUpload":                         http.StatusNotFound,
	"NoSuchVersion":                        http.StatusNotFound,
	"NotImplemented":                       http.StatusNotImplemented,
	"NotModified":                          http.StatusNotModified,
	"OperationAborted":                     http.StatusConflict,
	"OwnershipControlsNotFoundError":       http.StatusNotFound,
	"PreconditionFailed":                   http.StatusPreconditionFailed,
	"RequestTimeTooSkewed":                 http.StatusForbidden,
	"ServerSideEncryptionConfigurationNotFoundError": http.StatusNotFound,
	"ServiceUnavailable":                             http.StatusServiceUnavailable,
	"SignatureDoesNotMatch":                          http.StatusForbidden,
}
