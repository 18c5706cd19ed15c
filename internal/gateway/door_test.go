package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/wire/authz"
)

// passwords lets everybody in who has one: it is the access key. What a request asks
// for, and hopes for, is in its query.
type passwords struct{}

var errNoPassword = errors.New("no password")

func (passwords) Enter(r *http.Request) (Entry, error) {
	_, key, ok := r.BasicAuth()
	if !ok {
		return Entry{}, errNoPassword
	}
	e := Entry{
		Service: "ecr",
		Without: func(r *http.Request) *http.Request {
			r = r.Clone(r.Context())
			r.URL.RawQuery = "without"
			return r
		},
	}
	e.Caller, _, _ = ada{}.Lookup(key, "")
	if strings.HasPrefix(key, "ASIA") {
		e.Caller.Session = &caller.Session{}
		if key == "ASIAGONE" {
			e.Caller.Session.Kind = gone
		}
	}
	for _, action := range r.URL.Query()["asks"] {
		e.Asked = append(e.Asked, authz.Question{Action: action, Resource: "arn:aws:ecr:us-west-2:123456789012:repository/app"})
	}
	if is := r.URL.Query().Get("is"); is != "" {
		e.Is = &authz.Question{Action: is, Resource: "arn:aws:ecr:us-west-2:123456789012:repository/app"}
	}
	for _, action := range r.URL.Query()["hopes"] {
		e.Hoped = append(e.Hoped, authz.Question{Action: action, Resource: "*"})
	}
	return e, nil
}

func (passwords) Refuse(w http.ResponseWriter, _ *http.Request, err error) string {
	w.WriteHeader(http.StatusTeapot)
	if denied, ok := errors.AsType[smithy.APIError](err); ok {
		fmt.Fprint(w, denied.ErrorMessage())
		return "DENIED"
	}
	fmt.Fprint(w, err)
	return "REFUSED"
}

// active is the keys that aren't gone.
type active struct{}

func (active) Lookup(id, token string) (c caller.Caller, secret string, err error) {
	if id == "AKIAGONE" || strings.HasPrefix(id, "ASIA") { // which no record has
		return c, "", caller.ErrUnknownKey
	}
	return ada{}.Lookup(id, token)
}

// TestDoor asks a mount with a door: what it asks policy decides, at each request.
func TestDoor(t *testing.T) {
	t.Parallel()
	text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["ecr:Get*","ecr:List*"],"Resource":"*"}]}`
	g, done := open(t, func(c *Config) {
		c.Keys, c.Identities = active{}, adas{policy.Policies{Identity: []*policy.Policy{compiled(t, text)}}}
		c.Mounts = []Mount{{Prefix: "/v2/", Door: passwords{}, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/gone" {
				w.WriteHeader(http.StatusNotFound)
			}
			if later := r.URL.Query().Get("later"); later != "" {
				if err := caller.Allowed(r.Context(), later, "*", nil); err != nil {
					w.WriteHeader(http.StatusForbidden)
					return
				}
			}
			fmt.Fprintf(w, "%q by %q", r.URL.RawQuery, caller.From(r.Context()).UserID)
		})}}
	})
	tests := []struct {
		key, path    string
		status       int
		body         string
		action, code string // of the audit line
	}{
		{"", "/v2/", 418, "no password", "GET", "REFUSED"},
		{"AKIAGONE", "/v2/", 200, `"" by "AIDA"`, "GET", "OK"}, // nothing is asked
		{"AKIAGONE", "/v2/?is=ecr:GetZ", 200, `"is=ecr:GetZ" by "AIDA"`, "GetZ", "OK"},
		{"AKIA", "/v2/?asks=ecr:GetX&asks=ecr:ListX", 200, `"asks=ecr:GetX&asks=ecr:ListX" by "AIDA"`, "GetX", "OK"},
		{"ASIA", "/v2/?asks=ecr:GetX", 200, `"asks=ecr:GetX" by "AIDA"`, "GetX", "OK"},
		{"ASIAGONE", "/v2/?asks=ecr:GetX", 418, ErrGone.Error(), "GetX", "REFUSED"},
		{"AKIAGONE", "/v2/?asks=ecr:GetX", 418, ErrGone.Error(), "GetX", "REFUSED"},
		{"AKIA", "/v2/?asks=ecr:GetX&asks=ecr:PutX", 418, "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: ecr:PutX on resource: arn:aws:ecr:us-west-2:123456789012:repository/app because no identity-based policy allows the ecr:PutX action", "GetX", "DENIED"},
		{"AKIA", "/v2/?asks=ecr:GetX&hopes=ecr:GetY", 200, `"asks=ecr:GetX&hopes=ecr:GetY" by "AIDA"`, "GetX", "OK"},
		{"AKIA", "/v2/?asks=ecr:GetX&hopes=ecr:PutY", 200, `"without" by "AIDA"`, "GetX", "OK"},
		{"AKIA", "/v2/?asks=ecr:GetX&later=ecr:ListX", 200, `"asks=ecr:GetX&later=ecr:ListX" by "AIDA"`, "GetX", "OK"},
		{"AKIA", "/v2/?asks=ecr:GetX&later=ecr:PutX", 403, "", "GetX", "Forbidden"},
		{"AKIA", "/v2/gone?asks=ecr:GetX", 404, `"asks=ecr:GetX" by "AIDA"`, "GetX", "NotFound"},
	}
	for _, tc := range tests {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.url+tc.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if tc.key != "" {
			r.SetBasicAuth("AWS", tc.key)
		}
		if status, body, _ := send(t, r); status != tc.status || body != tc.body {
			t.Errorf("%s %s: %d %s\nwant %d %s", tc.key, tc.path, status, body, tc.status, tc.body)
		}
	}
	done()
	for i, line := range g.log.lines(t, "call") {
		if tc := tests[i]; line["action"] != tc.action || line["code"] != tc.code || (line["denied_by"] != nil) != (tc.code == "DENIED" || tc.code == "Forbidden") || strings.Contains(tc.path, "ecr:") && line["resource"] != "arn:aws:ecr:us-west-2:123456789012:repository/app" {
			t.Errorf("%s %s: the audit line is %v", tc.key, tc.path, line)
		}
	}
}
