package metadata

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// roles is who gives tasks the credentials of their roles.
type roles interface {
	// Credentials returns those of the task's role, which are good for a while yet.
	Credentials(ctx context.Context, t ecs.Task) (Credentials, error)
}

// Credentials are those of a task's role, as the ECS agent has them
// (https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html).
type Credentials struct {
	RoleArn         string
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      time.Time
}

// String leaves the secrets out.
func (c Credentials) String() string { return c.AccessKeyID }

// GoString leaves the secrets out.
func (c Credentials) GoString() string {
	return fmt.Sprintf("metadata.Credentials{AccessKeyID: %q}", c.AccessKeyID)
}

// LogValue leaves the secrets out.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.AccessKeyID) }

// noCredentials is what the agent says to who gets none.
type noCredentials struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"HTTPErrorCode"`
}

// credentials answers with the credentials of the role of the task that asks: it must come from the task's address, and know the id that
// only the task's containers were told.
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code, message string) { s.answer(w, status, noCredentials{code, message, status}) }
	id := r.PathValue("id")
	if id == "" {
		refuse(http.StatusBadRequest, "NoIdInRequest", "CredentialsV2Request: No Credential ID in the request")
		return
	}
	t, there, err := s.holder(r, id)
	switch {
	case err != nil:
		s.Log.Error("find the task that asks for credentials", "err", err)
		refuse(http.StatusInternalServerError, "ServerException", "Unexpected error occurred")
		return
	case !there || s.Roles == nil:
		refuse(http.StatusBadRequest, "InvalidIdInRequest", "CredentialsV2Request: Credentials not found")
		return
	}
	c, err := s.Roles.Credentials(r.Context(), t)
	if err != nil {
		s.Log.Warn("a task gets no credentials of its role", "task", t.ID, "role", t.Role, "err", err)
		refuse(http.StatusServiceUnavailable, "CredentialsUninitialized", "CredentialsV2Request: Credentials uninitialized for ID")
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	s.answer(w, http.StatusOK, c)
}

// holder returns the task that asks by the id of its credentials.
func (s *Server) holder(r *http.Request, id string) (t ecs.Task, there bool, err error) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return t, false, nil
	}
	err = s.DB.View(r.Context(), func(tx store.Tx) error {
		tasks, err := ecs.Tasks.By(tx, "credentials", id)
		for _, one := range tasks {
			if one.HasRole() && !one.ENI.Deleted && one.ENI.Addr == from.Addr().Unmap() {
				t, there = one, true
			}
		}
		return err
	})
	return t, there, err
}
