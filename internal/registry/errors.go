package registry

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/skylift/skylift/internal/limit"
	"github.com/skylift/skylift/internal/registry/durable"
	"github.com/skylift/skylift/internal/registry/manifest"
)

// Error is a refusal that the client sees, in the shape of the OCI
// distribution API.
type Error struct {
	Status  int
	Code    string // of the specification: NAME_UNKNOWN, …
	Message string
}

func (e *Error) Error() string { return e.Message }

// HTTPStatus returns the status that the refusal has over HTTP.
func (e *Error) HTTPStatus() int { return e.Status }

// NameUnknown refuses a repository that doesn't exist.
func NameUnknown(message string) *Error {
	return &Error{http.StatusNotFound, "NAME_UNKNOWN", message}
}

// ManifestUnknown refuses a manifest that a repository doesn't hold.
func ManifestUnknown(message string) *Error {
	return &Error{http.StatusNotFound, "MANIFEST_UNKNOWN", message}
}

// BlobUnknown refuses a layer that a repository hasn't got.
func BlobUnknown() *Error { return errBlobUnknown }

// Unavailable refuses what can't be had for now.
func Unavailable(message string) *Error {
	return &Error{http.StatusServiceUnavailable, "UNAVAILABLE", message}
}

// TooMany refuses what an upstream registry gives to nobody for now.
func TooMany(message string) *Error {
	return &Error{http.StatusTooManyRequests, "TOOMANYREQUESTS", message}
}

// TagInvalid refuses to tag.
func TagInvalid(message string) *Error {
	return &Error{http.StatusBadRequest, "TAG_INVALID", message}
}

// Unauthorized refuses a login that is missing or wrong.
func Unauthorized(message string) *Error {
	return &Error{http.StatusUnauthorized, "UNAUTHORIZED", message}
}

// Denied refuses what somebody may not do, or may not do any more.
func Denied(message string) *Error {
	return &Error{http.StatusForbidden, "DENIED", message}
}

var (
	errNameInvalid   = &Error{http.StatusBadRequest, "NAME_INVALID", "invalid repository name"}
	errBlobUnknown   = &Error{http.StatusNotFound, "BLOB_UNKNOWN", "blob unknown to registry"}
	errDigestInvalid = &Error{http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content"}
	errMethod        = &Error{http.StatusMethodNotAllowed, "UNSUPPORTED", "the operation is unsupported"}
	errRoute         = &Error{http.StatusNotFound, "UNSUPPORTED", "the registry has no such path"}
	errRange         = &Error{http.StatusRequestedRangeNotSatisfiable, "RANGE_INVALID", "Content-Range must be that of the next chunk, as in 0-1023"}
	errTooLarge      = &Error{http.StatusRequestEntityTooLarge, "SIZE_INVALID", "the manifest is larger than 4 MiB"}
	errDiskFull      = &Error{http.StatusInsufficientStorage, "UNKNOWN", "no space left on the registry's disk"}
	errBusy          = &Error{http.StatusServiceUnavailable, "UNAVAILABLE", "the registry has too many requests, or lacks file descriptors: try again"}
	errInternal      = &Error{http.StatusInternalServerError, "UNKNOWN", "internal error"}
)

func badRequest(code, message string) *Error {
	return &Error{http.StatusBadRequest, code, message}
}

// fail answers with err and returns the answer's code. What is not for the client's eyes
// is logged.
func (r *Registry) fail(w http.ResponseWriter, req *http.Request, err error) (code string) {
	if refused, ok := errors.AsType[*Refusal](err); ok {
		refused.write(w)
		return "MANIFEST_INVALID"
	}
	e, ok := errors.AsType[*Error](err)
	if invalid, is := errors.AsType[*manifest.InvalidError](err); is {
		e, ok = badRequest("MANIFEST_INVALID", invalid.Error()), true
	}
	if durable.IsFull(err) {
		e, ok = errDiskFull, true
	}
	if limit.Exhausted(err) {
		e, ok = errBusy, true
	}
	if !ok {
		e = errInternal
	}
	gone := req.Context().Err() != nil // the client went away, and nothing is wrong
	if e.Status >= http.StatusInternalServerError && !gone {
		r.log.Error("registry request", "method", req.Method, "path", req.URL.Path, "err", err)
	}
	e.write(w, req.Method)
	return e.Code
}

func (e *Error) write(w http.ResponseWriter, method string) {
	type entry struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	body, err := json.Marshal(map[string][]entry{"errors": {{e.Code, e.Message}}})
	if err != nil {
		panic(err) // strings always encode
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.Status)
	if method != http.MethodHead {
		w.Write(body) //nolint:errcheck // a client that went away
	}
}
