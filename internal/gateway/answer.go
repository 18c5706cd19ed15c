package gateway

import (
	"fmt"
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

// recorder notes the status of an answer, and replaces it by force where that
// is set.
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

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
