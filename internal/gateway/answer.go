package gateway

import (
	"fmt"
	"io"
	"net/http"

	"github.com/aws/smithy-go"
)

// refused is an error of the gateway's own; its status goes with the protocol
// of the caller, not with a service's model.
type refused struct {
	*smithy.GenericAPIError
	status int
}

func refusal(code string, status int, format string, args ...any) error {
	fault := smithy.FaultClient
	if status >= http.StatusInternalServerError {
		fault = smithy.FaultServer
	}
	return &refused{&smithy.GenericAPIError{Code: code, Message: fmt.Sprintf(format, args...), Fault: fault}, status}
}

// A file goes from the kernel to the connection only through an io.ReaderFrom.
var _ io.ReaderFrom = (*recorder)(nil)

// recorder notes the status of an answer. If force is set, it replaces the
// status.
type recorder struct {
	http.ResponseWriter
	status, force int
}

func (w *recorder) WriteHeader(status int) {
	if w.force != 0 {
		status = w.force
	}
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets the kernel copy a file to the connection.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return io.Copy(w.ResponseWriter, r)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
