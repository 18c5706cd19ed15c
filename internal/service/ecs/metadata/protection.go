package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"
)

// protection is the part of the ECS API that a task may use for itself.
type protection interface {
	GetTaskProtection(ctx context.Context, in *sdk.GetTaskProtectionInput) (*sdk.GetTaskProtectionOutput, error)
	UpdateTaskProtection(ctx context.Context, in *sdk.UpdateTaskProtectionInput) (*sdk.UpdateTaskProtectionOutput, error)
}

// The shapes of the task protection endpoint: an answer has one of the three.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-scale-in-protection-endpoint.html
type protectionAnswer struct {
	Protection *protectedTask `json:"protection,omitempty"`
	Failure    *failure       `json:"failure,omitempty"`
	Error      *callError     `json:"error,omitempty"`
}

type protectedTask struct {
	ExpirationDate    *time.Time
	ProtectionEnabled bool
	TaskArn           string
}

type failure struct {
	Arn    string
	Detail *string
	Reason string
}

type callError struct {
	Arn     string `json:",omitempty"`
	Code    string
	Message string
}

// maxBody bounds what a task may send.
const maxBody = 4 << 10

func (s *Server) getProtection(w http.ResponseWriter, r *http.Request) {
	a, ok := s.findProtected(w, r)
	if !ok {
		return
	}
	out, err := s.Protection.GetTaskProtection(r.Context(), &sdk.GetTaskProtectionInput{Cluster: &a.task.Cluster, Tasks: []string{a.task.ID}})
	if err != nil {
		s.refuse(w, a, err)
		return
	}
	s.protected(w, out.ProtectedTasks, out.Failures)
}

func (s *Server) putProtection(w http.ResponseWriter, r *http.Request) {
	var in struct {
		ProtectionEnabled *bool
		ExpiresInMinutes  *int32
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		s.invalid(w, "", "UpdateTaskProtection: failed to decode request")
		return
	}
	a, ok := s.findProtected(w, r)
	if !ok {
		return
	}
	if in.ProtectionEnabled == nil {
		s.invalid(w, a.task.ARN, "Invalid request: does not contain 'ProtectionEnabled' field")
		return
	}
	out, err := s.Protection.UpdateTaskProtection(r.Context(), &sdk.UpdateTaskProtectionInput{
		Cluster: &a.task.Cluster, Tasks: []string{a.task.ID}, ProtectionEnabled: *in.ProtectionEnabled, ExpiresInMinutes: in.ExpiresInMinutes,
	})
	if err != nil {
		s.refuse(w, a, err)
		return
	}
	s.Log.Info("a task has changed its protection", "task", a.task.ID, "enabled", *in.ProtectionEnabled)
	s.protected(w, out.ProtectedTasks, out.Failures)
}

// findProtected finds who asks, or answers that nobody is known.
func (s *Server) findProtected(w http.ResponseWriter, r *http.Request) (asker, bool) {
	a, err := s.find(r)
	if err == nil {
		return a, true
	}
	status, code := http.StatusInternalServerError, "ServerException"
	if errors.Is(err, errUnknown) {
		status, code = http.StatusNotFound, "ResourceNotFoundException"
	} else {
		s.Log.Error("find the task that asks", "err", err)
	}
	s.answer(w, status, protectionAnswer{Error: &callError{Code: code, Message: "Failed to find a task for the request"}})
	return a, false
}

func (s *Server) invalid(w http.ResponseWriter, arn, message string) {
	s.answer(w, http.StatusBadRequest, protectionAnswer{Error: &callError{arn, "InvalidParameterException", message}})
}

// protected answers what became of the task, which is in one of the two.
func (s *Server) protected(w http.ResponseWriter, done []types.ProtectedTask, failures []types.Failure) {
	var out protectionAnswer
	for _, f := range failures {
		out.Failure = &failure{aws.ToString(f.Arn), f.Detail, aws.ToString(f.Reason)}
	}
	for _, t := range done {
		out.Protection = &protectedTask{t.ExpirationDate, t.ProtectionEnabled, aws.ToString(t.TaskArn)}
	}
	s.answer(w, http.StatusOK, out)
}

// refuse hands on the API's error.
func (s *Server) refuse(w http.ResponseWriter, a asker, err error) {
	out := &callError{a.task.ARN, "ServerException", "Unexpected error occurred"}
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		out.Code, out.Message = e.ErrorCode(), e.ErrorMessage()
		if e.ErrorFault() != smithy.FaultServer {
			status = http.StatusBadRequest
		}
	} else {
		s.Log.Error("change a task's protection", "task", a.task.ID, "err", err)
	}
	s.answer(w, status, protectionAnswer{Error: out})
}
