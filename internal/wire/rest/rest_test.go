package rest

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/descriptor"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	routes := map[string]descriptor.Route{
		"List":     {Method: "GET", URI: "/v1/pots"},
		"Get":      {Method: "GET", URI: "/v1/pots/{Name}"},
		"Best":     {Method: "GET", URI: "/v1/pots/best"},
		"Put":      {Method: "PUT", URI: "/v1/pots/{Name}"},
		"Cup":      {Method: "GET", URI: "/v1/pots/{Name}/cups/{Cup}"},
		"Deep":     {Method: "GET", URI: "/v1/shelf/{Path+}"},
		"Listing":  {Method: "GET", URI: "/v1/shelf/{Path+}?list"},
		"Shelve":   {Method: "PUT", URI: "/v1/shelf/{Path+}"},
		"Copy":     {Method: "PUT", URI: "/v1/shelf/{Path+}", Needs: []string{"x-source"}},
		"CopyPart": {Method: "PUT", URI: "/v1/shelf/{Path+}", Needs: []string{"x-source", "?part"}},
		"Drop":     {Method: "DELETE", URI: "/v1/shelf/{Path+}"},
		"DropCopy": {Method: "DELETE", URI: "/v1/shelf/{Path+}", Needs: []string{"x-target"}},
		"DropPart": {Method: "DELETE", URI: "/v1/shelf/{Path+}", Needs: []string{"?part"}},
		"Slash":    {Method: "GET", URI: "/v1/tags/{Name}/"},
	}
	r, err := NewRouter(routes)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		line, query, want string
		labels            map[string]string
	}{
		{"GET /v1/pots", "", "List", map[string]string{}},
		{"GET /v1/pots/", "", "List", map[string]string{}},
		{"GET /v1/pots/a", "", "Get", map[string]string{"Name": "a"}},
		{"GET /v1/pots/best", "", "Best", map[string]string{}},
		{"PUT /v1/pots/best", "", "Put", map[string]string{"Name": "best"}},
		{"GET /v1/pots/a%2Fb%20c", "", "Get", map[string]string{"Name": "a/b c"}},
		{"GET /v1/pots/a/cups/1", "", "Cup", map[string]string{"Name": "a", "Cup": "1"}},
		{"GET /v1/tags/a", "", "Slash", map[string]string{"Name": "a"}},
		{"GET /v1/shelf/a/b", "", "Deep", map[string]string{"Path": "a/b"}},
		{"GET /v1/shelf/a", "list=", "Listing", map[string]string{"Path": "a"}},
		{"GET /v1/shelf/a", "list=no", "Deep", map[string]string{"Path": "a"}},
		{"GET /v1/shelf/a/", "", "Deep", map[string]string{"Path": "a/"}},
		{"GET /v1/shelf//a//", "", "Deep", map[string]string{"Path": "/a//"}},
		{"GET /v1/shelf", "", "", nil},
		{"GET /v1/shelf/", "", "", nil},
		{"PUT /v1/shelf/a", "", "Copy", map[string]string{"Path": "a"}},
		{"PUT /v1/shelf/a", "part=1", "CopyPart", map[string]string{"Path": "a"}},
		{"DELETE /v1/shelf/a", "part=1", "DropPart", map[string]string{"Path": "a"}},
		{"DELETE /v1/shelf/a", "", "Drop", map[string]string{"Path": "a"}},
		{"GET /v1/pots//cups/1", "", "", nil},
		{"GET /v1/pots/a/cups", "", "", nil},
		{"GET /v1/pots/a/cups/1/2", "", "", nil},
		{"GET /v1/pots/%zz", "", "", nil},
		{"POST /v1/pots", "", "", nil},
		{"GET /", "", "", nil},
		{"GET ", "", "", nil},
	} {
		method, path, _ := strings.Cut(tc.line, " ")
		query, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		m := r.Match(method, path, query, http.Header{"X-Source": {"a"}})
		if m.Operation != tc.want || !cmp.Equal(m.Labels, tc.labels) {
			t.Errorf("%s ?%s: got %s %v, want %s %v", tc.line, tc.query, m.Operation, m.Labels, tc.want, tc.labels)
		}
	}
	if _, err := NewRouter(map[string]descriptor.Route{"Bad": {Method: "GET", URI: "/?%zz"}}); err == nil {
		t.Error("a route that cannot be read is taken")
	}
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text  string
		dates bool
		want  []string // nil: refused
	}{
		{"", false, []string{""}},
		{"a", false, []string{"a"}},
		{"a, b,c ", false, []string{"a", "b", "c"}},
		{`"a, b", c`, false, []string{"a, b", "c"}},
		{`"a \"b\" \\"`, false, []string{`a "b" \`}},
		{`"a`, false, nil},
		{"Wed, 04 Mar 2026 05:06:07 GMT", true, []string{"Wed, 04 Mar 2026 05:06:07 GMT"}},
		{"Wed, 04 Mar 2026 05:06:07 GMT, Thu, 05 Mar 2026 05:06:07 GMT", true, []string{"Wed, 04 Mar 2026 05:06:07 GMT", "Thu, 05 Mar 2026 05:06:07 GMT"}},
	} {
		got, err := split(tc.text, tc.dates)
		if (err != nil) != (tc.want == nil) || !cmp.Equal(got, tc.want) {
			t.Errorf("%q: got %q, %v, want %q", tc.text, got, err, tc.want)
		}
	}
}
