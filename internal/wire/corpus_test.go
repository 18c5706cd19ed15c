package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/bind"
)

var (
	moduleDirs = map[string]string{}
	moduleLock sync.Mutex
)

// moduleDir is where the module cache holds the SDK's module of a service.
func moduleDir(t testing.TB, service string) string {
	t.Helper()
	moduleLock.Lock()
	defer moduleLock.Unlock()
	if dir, ok := moduleDirs[service]; ok {
		return dir
	}
	module, ok := modules[service]
	if !ok {
		module = otherModules[service]
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/aws/aws-sdk-go-v2/service/"+module).Output()
	if err != nil {
		t.Fatalf("find the SDK's module of %s: %v", service, err)
	}
	moduleDirs[service] = strings.TrimSpace(string(out))
	return moduleDirs[service]
}

// snapshot reads a golden request: what the SDK sends with every field filled.
func snapshot(t testing.TB, service, operation string) (*http.Request, []byte) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(moduleDir(t, service), "request_snapshot", operation+".request.snap"))
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(raw), "\n\n")
	headers, body, _ := strings.Cut(rest, "\n\n")
	method, path, _ := strings.Cut(head, " ")
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for line := range strings.Lines(headers) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
		r.Header.Set(k, v)
	}
	return r, []byte(body)
}

// decode reads a request without the constraints, which the filler of the golden requests does not know.
func decode(t testing.TB, s *Service, r *http.Request, body []byte) (any, *bind.Faults) {
	t.Helper()
	req, err := s.faces[0].codec.open(s.desc, r, body)
	if err != nil {
		t.Fatalf("open %s: %v", body, err)
	}
	op := s.faces[0].ops[req.operation()]
	if op == nil {
		t.Fatalf("no operation %q", req.operation())
	}
	v, err := req.input(op.input)
	if err != nil {
		t.Fatalf("parse %s: %v", body, err)
	}
	in := op.input.Read(v, nil, s.faces[0].protocol == EC2Query)
	if f := op.input.Stream(); f != nil && len(body) > 0 {
		reflect.ValueOf(in.Value).Elem().Field(f.Index).Set(reflect.ValueOf(bytes.NewReader(body)))
	}
	return in.Value, &in.Faults
}

// errCaptured ends an SDK call whose request is all that is wanted.
var errCaptured = errors.New("captured")

func TestGoldenRequestsDecodeWithNothingLost(t *testing.T) {
	t.Parallel()
	var sent []byte
	all := operations(func(r *http.Request) (*http.Response, error) {
		sent = nil
		if r.Body != nil {
			sent, _ = io.ReadAll(r.Body)
		}
		return nil, errCaptured
	})
	for name, ops := range all {
		if name == elsewhere {
			continue
		}
		s := service(t, name, ops)
		for _, o := range ops {
			if lasting[o.Name()] {
				continue
			}
			r, body := snapshot(t, name, o.Name())
			in, faults := decode(t, s, r, body)
			if len(faults.Malformed) > 0 {
				t.Errorf("%s %s: cannot read %+v", name, o.Name(), faults.Malformed)
			}
			if _, err := o.call(t.Context(), in); !errors.Is(err, errCaptured) {
				t.Fatalf("%s %s: send again: %v", name, o.Name(), err)
			}
			want := without(t, body, faults.Unknown, name)
			if diff := cmp.Diff(want, canonical(t, sent)); diff != "" {
				t.Errorf("%s %s: sent again (-want +got):\n%s", name, o.Name(), diff)
			}
		}
	}
}

// canonical is a body in a form in which equal bodies are equal.
func canonical(t testing.TB, body []byte) any {
	t.Helper()
	if bytes.HasPrefix(body, []byte("{")) {
		var v any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		return v
	}
	v, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

// without is a canonical body less the parameters that were refused as unknown, each of which must be
// one that the SDK has and the descriptors do not have yet.
func without(t testing.TB, body []byte, unknown []string, service string) any {
	t.Helper()
	v := canonical(t, body)
	for _, path := range unknown {
		last := path[strings.LastIndexByte(path, '.')+1:]
		if !slices.ContainsFunc(newer[service], func(f string) bool {
			return strings.EqualFold(f[strings.IndexByte(f, '.')+1:], last)
		}) {
			t.Errorf("%s: parameter %s is refused as unknown", service, path)
		}
		if form, ok := v.(url.Values); ok {
			prune(form, last)
			continue
		}
		pruneAt(v, strings.Split(strings.ReplaceAll(path, ".member", ""), "."))
	}
	return v
}

// pruneAt removes the member at a path, whose numbers count from 1. A path has its names as they are declared
// in messages, which may begin with a small letter where the body has a capital.
func pruneAt(v any, path []string) {
	for ; len(path) > 1; path = path[1:] {
		if list, ok := v.([]any); ok {
			n, _ := strconv.Atoi(path[0])
			v = list[n-1]
			continue
		}
		v = v.(map[string]any)[nameIn(v, path[0])]
	}
	delete(v.(map[string]any), nameIn(v, path[0]))
}

// nameIn is the name of a member of v, whatever the case of its letters.
func nameIn(v any, name string) string {
	for k := range v.(map[string]any) {
		if strings.EqualFold(k, name) {
			return k
		}
	}
	return name
}

// prune removes every member called name, whatever the case of its letters.
func prune(v any, name string) {
	switch v := v.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(k string, _ any) bool { return strings.EqualFold(k, name) })
		for _, e := range v {
			prune(e, name)
		}
	case []any:
		for _, e := range v {
			prune(e, name)
		}
	case url.Values:
		for k := range v {
			if slices.Contains(strings.Split(k, "."), name) { // it, or what is in it
				delete(v, k)
			}
		}
	}
}

// TestGoldenAnswers has the SDK read its golden answers, and has us write what it read: the same answer.
func TestGoldenAnswers(t *testing.T) {
	t.Parallel()
	var golden []byte
	all := operations(func(r *http.Request) (*http.Response, error) {
		return response(http.StatusOK, golden), nil
	})
	seen := 0
	for name, ops := range all {
		if name == elsewhere {
			continue
		}
		s := service(t, name, ops)
		for _, o := range ops {
			raw, err := os.ReadFile(filepath.Join(moduleDir(t, name), "response_snapshot", o.Name()+".response.snap"))
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			seen++
			_, body, _ := bytes.Cut(raw, []byte("\n\n"))
			if i := bytes.Index(body, []byte("{")); i >= 0 {
				golden = body[i:]
			} else {
				golden = []byte("{}")
			}
			r, request := snapshot(t, name, o.Name())
			in, _ := decode(t, s, r, request)
			out, err := o.call(t.Context(), in)
			if err != nil {
				t.Fatalf("%s %s: %v", name, o.Name(), err)
			}
			want, got := canonical(t, golden), canonical(t, encode(t, s, o.Name(), out).Body.Bytes())
			for _, f := range newer[name] {
				of, field, _ := strings.Cut(f, ".")
				if !holds(reflect.TypeOf(out), of, map[reflect.Type]bool{}) {
					continue
				}
				prune(want, field)
				prune(got, field)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", name, o.Name(), diff)
			}
		}
	}
	if seen == 0 {
		t.Error("the SDK has no golden answers")
	}
}

// holds says that a value of type in has one of the struct called name in it.
func holds(in reflect.Type, name string, seen map[reflect.Type]bool) bool {
	switch in.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return holds(in.Elem(), name, seen)
	case reflect.Struct:
		if in.Name() == name {
			return true
		}
		if seen[in] {
			return false
		}
		seen[in] = true
		for f := range in.Fields() {
			if holds(f.Type, name, seen) {
				return true
			}
		}
	}
	return false
}

func encode(t testing.TB, s *Service, operation string, out any) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	if err := s.Encode(w, &Call{Operation: operation, op: s.faces[0].ops[operation], face: s.faces[0]}, "req-1", out); err != nil {
		t.Fatal(err)
	}
	return w
}

func response(status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
}

// TestTheSDKReadsWhatWeEncode fills every output and has it read by the SDK's client.
func TestTheSDKReadsWhatWeEncode(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	all := operations(func(*http.Request) (*http.Response, error) { return answer, nil })
	for name, ops := range all {
		if name == elsewhere {
			continue
		}
		s := service(t, name, ops)
		for _, o := range ops {
			if lasting[o.Name()] {
				continue
			}
			op := s.faces[0].ops[o.Name()]
			want := reflect.New(op.out)
			fill(op.output, want.Elem(), 0)
			w := encode(t, s, o.Name(), want.Interface())
			if w.Header().Get("X-Amzn-Requestid") != "req-1" {
				t.Errorf("%s %s: no request id", name, o.Name())
			}
			answer = w.Result()
			r, request := snapshot(t, name, o.Name())
			in, _ := decode(t, s, r, request)
			got, err := o.call(t.Context(), in)
			if err != nil {
				t.Fatalf("%s %s: %v\n%s", name, o.Name(), err, w.Body)
			}
			if diff := cmp.Diff(want.Interface(), got, comparers...); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s\n%s", name, o.Name(), diff, w.Body)
			}
		}
	}
}
