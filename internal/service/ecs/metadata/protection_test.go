package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/store"
)

// TestProtection is the endpoint over the API itself.
func TestProtection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task, d := curl()
		alone := task
		alone.ID, alone.ARN, alone.Service, alone.ENI.Addr = strings.Repeat("a", 32), arns+"task/default/"+strings.Repeat("a", 32), "", netip.MustParseAddr("172.31.42.190")
		s := server(t, running, d, task, alone)
		err := s.DB.Update(t.Context(), func(tx store.Tx) error {
			return errors.Join(
				ecs.Clusters.Put(tx, "default", ecs.Cluster{Name: "default", Status: ecs.Active}),
				ecs.Services.Put(tx, "default/web", ecs.Service{Cluster: "default", Name: "web", Desired: 1, Status: ecs.Active}),
			)
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Protection = api.New(s.DB, arn.Namespace{Region: "us-west-2", Account: "111122223333"}, nil, nil, nil, nil, nil)

		now := time.Now().UTC()
		state := func(t ecs.Task) string {
			return "/api/" + t.EndpointID(t.Containers[0]) + "/task-protection/v1/state"
		}
		until := func(d time.Duration) string {
			return `{"protection":{"ExpirationDate":"` + now.Add(d).Format(time.RFC3339Nano) + `","ProtectionEnabled":true,"TaskArn":"` + task.ARN + `"}}`
		}
		off := `{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"` + task.ARN + `"}}`
		refused := func(arn, message string) string {
			if arn != "" {
				arn = `"Arn":"` + arn + `",`
			}
			return `{"error":{` + arn + `"Code":"InvalidParameterException","Message":"` + message + `"}}`
		}
		for _, tt := range []struct {
			method string
			task   ecs.Task
			body   string
			code   int
			want   string
		}{
			{"GET", task, "", 200, off},
			{"PUT", task, `{"ProtectionEnabled":true}`, 200, until(2 * time.Hour)},
			{"GET", task, "", 200, until(2 * time.Hour)},
			{"PUT", task, `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`, 200, until(time.Hour)},
			{"GET", task, "", 200, until(time.Hour)},
			{"PUT", task, `{"ProtectionEnabled":false}`, 200, off},
			{"GET", task, "", 200, off},
			{"PUT", task, `{"ProtectionEnabled":true,"ExpiresInMinutes":2881}`, 400, refused(task.ARN, "expiresInMinutes must be between 1 and 2880.")},
			{"PUT", task, `{"ExpiresInMinutes":60}`, 400, refused(task.ARN, "Invalid request: does not contain 'ProtectionEnabled' field")},
			{"PUT", task, `{"ProtectionEnabled":true,"Minutes":1}`, 400, refused("", "UpdateTaskProtection: failed to decode request")},
			{"PUT", task, `{"ProtectionEnabled":"yes"}`, 400, refused("", "UpdateTaskProtection: failed to decode request")},
			{"PUT", task, strings.Repeat(" ", 8<<10) + `{"ProtectionEnabled":true}`, 400, refused("", "UpdateTaskProtection: failed to decode request")},
			{"PUT", alone, `{"ProtectionEnabled":true}`, 200, `{"failure":{"Arn":"` + alone.ARN + `","Detail":null,"Reason":"TASK_NOT_VALID"}}`},
			{"GET", alone, "", 200, `{"failure":{"Arn":"` + alone.ARN + `","Detail":null,"Reason":"TASK_NOT_VALID"}}`},
		} {
			w := ask(s, tt.method, tt.task.ENI.Addr, state(tt.task), tt.body)
			if w.Code != tt.code || !sameJSON(t, w.Body.String(), tt.want) {
				t.Errorf("%s %s %.80s: got %d %s, want %d %s", tt.method, tt.task.ID, tt.body, w.Code, w.Body, tt.code, tt.want)
			}
		}
		unknown := `{"error":{"Code":"ResourceNotFoundException","Message":"Failed to find a task for the request"}}`
		for _, method := range []string{"GET", "PUT"} {
			w := ask(s, method, alone.ENI.Addr, state(task), `{"ProtectionEnabled":true}`)
			if w.Code != http.StatusNotFound || !sameJSON(t, w.Body.String(), unknown) {
				t.Errorf("%s of a neighbour's: got %d %s, want %s", method, w.Code, w.Body, unknown)
			}
		}
	})
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Error(err)
	}
	return cmp.Equal(x, y)
}

// TestProtectionUnavailable: what fails inside stays inside.
func TestProtectionUnavailable(t *testing.T) {
	t.Parallel()
	task, d := curl()
	s := server(t, running, d, task)
	s.Protection = api.New(failing{s.DB}, arn.Namespace{}, nil, nil, nil, nil, nil)
	w := ask(s, "GET", task.ENI.Addr, "/api/"+task.EndpointID(task.Containers[0])+"/task-protection/v1/state", "")
	want := `{"error":{"Arn":"` + task.ARN + `","Code":"ServerException","Message":"Unexpected error occurred"}}`
	if w.Code != http.StatusInternalServerError || !sameJSON(t, w.Body.String(), want) {
		t.Errorf("got %d %s, want %s", w.Code, w.Body, want)
	}
}

// failing is a store whose disk is broken.
type failing struct{ store.DB }

func (failing) View(context.Context, func(store.Tx) error) error { return errors.New("disk broken") }
