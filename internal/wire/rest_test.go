package wire

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	efstypes "github.com/aws/aws-sdk-go-v2/service/efs/types"
	"github.com/aws/smithy-go"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

const efsName = "elasticfilesystem"

// taken is a request that the SDK sent.
type taken struct {
	r    *http.Request
	body []byte
}

// taker keeps what the SDK sends. The module of EFS has no golden requests, so the SDK's own, with every
// field filled, stand for them.
func (g *taken) RoundTrip(r *http.Request) (*http.Response, error) {
	g.body = nil
	if r.Body != nil {
		g.body, _ = io.ReadAll(r.Body)
	}
	g.r = httptest.NewRequest(r.Method, r.URL.String(), nil)
	if g.r.Header = r.Header; r.ContentLength > 0 {
		g.r.Header.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	return nil, errCaptured
}

// filled is an operation's input with every field set.
func filled(op *operation) any {
	in := reflect.New(op.in)
	fill(op.input, in.Elem(), 0)
	return in.Interface()
}

func TestRESTRequestsDecodeWithNothingLost(t *testing.T) {
	t.Parallel()
	sent := &taken{}
	ops := efsOperations(efs.NewFromConfig(sdkConfig(sent.RoundTrip)))
	s := service(t, efsName, ops)
	for _, o := range ops {
		want := filled(s.faces[0].ops[o.Name()])
		if _, err := o.call(t.Context(), want); !errors.Is(err, errCaptured) {
			t.Fatalf("%s: send: %v", o.Name(), err)
		}
		if name := s.OperationName(sent.r, sent.body); name != o.Name() {
			t.Fatalf("%s %s is read as operation %q, want %s", sent.r.Method, sent.r.URL, name, o.Name())
		}
		got, faults := decode(t, s, sent.r, sent.body)
		if len(faults.Malformed)+len(faults.Unknown) > 0 {
			t.Errorf("%s: cannot read %+v %+v", o.Name(), faults.Malformed, faults.Unknown)
		}
		if diff := gocmp.Diff(want, got, comparers...); diff != "" {
			t.Errorf("%s %s %s (-want +got):\n%s", sent.r.Method, sent.r.URL, sent.body, diff)
		}
	}
	implemented, _ := s.Coverage()
	if len(implemented) != len(s.desc.Operations) {
		t.Errorf("%d operations are bound, %d described", len(implemented), len(s.desc.Operations))
	}
	if got := unbound(s); len(got) > 0 {
		t.Errorf("SDK fields without descriptor: %v", got)
	}
}

func TestTheSDKReadsTheRESTAnswersWeEncode(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	ops := efsOperations(efs.NewFromConfig(sdkConfig(func(*http.Request) (*http.Response, error) { return answer, nil })))
	s := service(t, efsName, ops)
	for _, o := range ops {
		op := s.faces[0].ops[o.Name()]
		want := reflect.New(op.out)
		fill(op.output, want.Elem(), 0)
		w := encode(t, s, o.Name(), want.Interface())
		answer = w.Result()
		if route := s.desc.Routes[o.Name()]; answer.StatusCode != cmp.Or(route.Status, 200) {
			t.Errorf("%s: status %d, want %d", o.Name(), answer.StatusCode, route.Status)
		}
		if hasBody := w.Body.Len() > 0; hasBody != (answer.Header.Get("Content-Type") == "application/json") {
			t.Errorf("%s: %d bytes of %q", o.Name(), w.Body.Len(), answer.Header.Get("Content-Type"))
		}
		got, err := o.call(t.Context(), filled(op))
		if err != nil {
			t.Fatalf("%s: %v\n%s", o.Name(), err, w.Body)
		}
		if diff := gocmp.Diff(want.Interface(), got, comparers...); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", o.Name(), diff, w.Body)
		}
	}
}

func TestTheSDKReadsOurRESTErrors(t *testing.T) {
	t.Parallel()
	var answer *http.Response
	ops := efsOperations(efs.NewFromConfig(sdkConfig(func(*http.Request) (*http.Response, error) { return answer, nil })))
	s := service(t, efsName, ops)
	create := ops[slices.IndexFunc(ops, func(o sdkOp) bool { return o.Name() == "CreateFileSystem" })]
	for _, tc := range []struct {
		err    error
		status int
		body   string
		want   error
	}{
		{
			&efstypes.FileSystemAlreadyExists{Message: aws.String("m"), FileSystemId: aws.String("fs-12345678")}, 409,
			`{"ErrorCode":"FileSystemAlreadyExists","Message":"m","FileSystemId":"fs-12345678"}`,
			&efstypes.FileSystemAlreadyExists{Message: aws.String("m"), ErrorCode_: aws.String("FileSystemAlreadyExists"), FileSystemId: aws.String("fs-12345678")},
		},
		{
			fmt.Errorf("read: %w", &efstypes.BadRequest{Message: aws.String("<b>")}), 400, `{"ErrorCode":"BadRequest","Message":"<b>"}`,
			&efstypes.BadRequest{Message: aws.String("<b>"), ErrorCode_: aws.String("BadRequest")},
		},
		{
			awserr.New("ValidationException", "v"), 400, `{"ErrorCode":"ValidationException","Message":"v"}`,
			&smithy.GenericAPIError{Code: "ValidationException", Message: "v"},
		},
		{
			errors.New("secret"), 500, `{"ErrorCode":"InternalServerError","Message":"internal error"}`,
			&efstypes.InternalServerError{Message: aws.String("internal error"), ErrorCode_: aws.String("InternalServerError")},
		},
	} {
		w := httptest.NewRecorder()
		s.EncodeError(s.faces[0].protocol, w, "req-7", tc.err)
		if w.Code != tc.status || w.Body.String() != tc.body || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v:\n got %d %s\nwant %d %s", tc.err, w.Code, w.Body, tc.status, tc.body)
		}
		answer = w.Result()
		_, err := create.call(t.Context(), &efs.CreateFileSystemInput{})
		got := findError(err, reflect.TypeOf(tc.want))
		if diff := gocmp.Diff(tc.want, got, comparers...); diff != "" {
			t.Errorf("the SDK reads %v (-want +got):\n%s", err, diff)
		}
	}
}

func TestRESTDecodeRefuses(t *testing.T) {
	t.Parallel()
	s := service(t, efsName, efsOperations(efs.NewFromConfig(sdkConfig(nil))))
	const id = "fs-0123456789abcdef0"
	for _, tc := range []struct{ method, url, body, code, message string }{
		{"POST", "/2015-02-01/file-systems", `{}`, "ValidationException", "1 validation error detected: Value null at 'creationToken' failed to satisfy constraint: Member must not be null"},
		{"POST", "/2015-02-01/file-systems", `{"CreationToken":"t","Colour":"red"}`, "ValidationException", "Unknown parameter: 'Colour'"},
		{"POST", "/2015-02-01/file-systems", `{"CreationToken":7}`, "SerializationException", "Value '7' at 'creationToken' is not a string."},
		{"POST", "/2015-02-01/file-systems", `{`, "SerializationException", "the body is not valid JSON"},
		{"POST", "/2015-02-01/file-systems?CreationToken=t", `{"CreationToken":"t"}`, "ValidationException", "Unknown parameter: '?CreationToken'"},
		{"GET", "/2015-02-01/file-systems?Colour=red", ``, "ValidationException", "Unknown parameter: '?Colour'"},
		{"GET", "/2015-02-01/file-systems?MaxItems=0", ``, "ValidationException", "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"GET", "/2015-02-01/file-systems?MaxItems=many", ``, "SerializationException", "Value 'many' at 'maxItems' is not an integer."},
		{"GET", "/2015-02-01/file-systems?MaxItems=1&MaxItems=2", ``, "SerializationException", "the query string is malformed: the parameter MaxItems is there twice"},
		{"GET", "/2015-02-01/file-systems?a=%zz", ``, "SerializationException", `the query string is malformed: invalid URL escape "%zz"`},
		{"DELETE", "/2015-02-01/file-systems/fake-id", ``, "ValidationException", "1 validation error detected: Value 'fake-id' at 'fileSystemId' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(arn:aws[-a-z]*:elasticfilesystem:[0-9a-z-:]+:file-system/fs-[0-9a-f]{8,40}|fs-[0-9a-f]{8,40})$"},
		{"DELETE", "/2015-02-01/file-systems/" + id, `{"FileSystemId":"fs-12345678"}`, "ValidationException", "Unknown parameter: 'FileSystemId'"},
		{"DELETE", "/2015-02-01/file-systems/" + id, `{"uri:FileSystemId":"fs-12345678"}`, "ValidationException", "Unknown parameter: 'body:uri:FileSystemId'"},
		{"GET", "/2015-02-01/file-systems", `{"?MaxItems":2}`, "ValidationException", "Unknown parameter: 'body:?MaxItems'"},
		{"DELETE", "/2015-02-01/resource-tags/" + id, ``, "ValidationException", "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"},

		{"PUT", "/2015-02-01/file-systems/" + id + "/protection", `{}`, "UnknownOperationException", "Skylift does not implement EFS UpdateFileSystemProtection yet."},
		{"GET", "/2015-02-01/file-systems/replication-configurations", ``, "UnknownOperationException", "Skylift does not implement EFS DescribeReplicationConfigurations yet."},
		{"PATCH", "/2015-02-01/file-systems", ``, "UnknownOperationException", "The request names no operation."},
		{"GET", "/2015-02-01/file-systems/", ``, "", ""},
		{"DELETE", "/2015-02-01/file-systems//", ``, "UnknownOperationException", "The request names no operation."},
		{"GET", "/", ``, "UnknownOperationException", "The request names no operation."},
		{"GET", "/2015-02-01/file-systems?X-Amz-Signature=abc&X-Amz-Expires=60", ``, "", ""},
	} {
		r := httptest.NewRequest(tc.method, tc.url, strings.NewReader(tc.body))
		_, err := s.Decode(r, []byte(tc.body))
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok {
			if err != nil || tc.code != "" {
				t.Errorf("%s %s: error %v, want %q", tc.method, tc.url, err, tc.code)
			}
			continue
		}
		if api.ErrorCode() != tc.code || api.ErrorMessage() != tc.message {
			t.Errorf("%s %s %s:\n got %s: %s\nwant %s: %s", tc.method, tc.url, tc.body, api.ErrorCode(), api.ErrorMessage(), tc.code, tc.message)
		}
	}
}

func TestALabelMayHoldASlash(t *testing.T) {
	t.Parallel()
	s := service(t, efsName, efsOperations(efs.NewFromConfig(sdkConfig(nil))))
	const arn = "arn:aws:elasticfilesystem:us-west-2:123456789012:file-system/fs-0123456789abcdef0"
	r := httptest.NewRequest("GET", "/2015-02-01/resource-tags/"+strings.ReplaceAll(arn, "/", "%2F")+"?MaxResults=5", nil)
	c, err := s.Decode(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &efs.ListTagsForResourceInput{ResourceId: aws.String(arn), MaxResults: aws.Int32(5)}
	if diff := gocmp.Diff(want, c.Input, comparers...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What EFS does not use of the protocol is tried on a service made up for it.
type (
	brewInput struct {
		Key     *string
		Rest    map[string]string
		Tags    []string
		When    *time.Time
		Since   *time.Time
		Strong  *bool
		Cups    []int32
		Notes   []string
		Dates   []time.Time
		Meta    map[string]string
		Recipe  *recipe
		Version *int64
	}
	recipe     struct{ Leaves *string }
	brewOutput struct {
		Status   *int32
		Location *string
		Expires  *time.Time
		Stamp    *time.Time
		Meta     map[string]string
		Notes    []string
		Left     *int64
		Made     *time.Time
	}
	drinkInput  struct{ Key *string }
	drinkOutput struct {
		Tea  []byte
		Kind *string
	}
)

func tea() *descriptor.Service {
	scalar := func(name string) *descriptor.Shape { return &descriptor.Shape{Type: name} }
	list := func(of string) *descriptor.Shape {
		return &descriptor.Shape{Type: "list", Element: &descriptor.Ref{Shape: of}}
	}
	return &descriptor.Service{
		SigningName: "tea", Title: "Tea", Protocols: []string{"restjson"}, Version: "1",
		Operations: map[string]descriptor.Operation{"Brew": {Input: "BrewIn", Output: "BrewOut"}, "Drink": {Input: "DrinkIn", Output: "DrinkOut"}},
		Routes: map[string]descriptor.Route{
			"Brew":  {Method: "PUT", URI: "/pots/{Key+}?op=brew", Status: 202},
			"Drink": {Method: "GET", URI: "/pots/{Key}/cup"},
		},
		Shapes: map[string]*descriptor.Shape{
			"String": scalar("string"), "Bool": scalar("boolean"), "Int": scalar("integer"), "Long": scalar("long"), "Time": scalar("timestamp"), "Blob": scalar("blob"),
			"Strings": list("String"), "Ints": list("Int"), "Times": list("Time"),
			"Map":    {Type: "map", Key: &descriptor.Ref{Shape: "String"}, Element: &descriptor.Ref{Shape: "String"}},
			"Recipe": {Type: "structure", Members: []descriptor.Member{{Name: "Leaves", Shape: "String", Location: "leaves"}}},
			"BrewIn": {Type: "structure", Payload: "Recipe", Members: []descriptor.Member{
				{Name: "Key", Shape: "String", In: "uri", Required: true},
				{Name: "Rest", Shape: "Map", In: "querystring"},
				{Name: "Tags", Shape: "Strings", In: "querystring", Location: "tag"},
				{Name: "When", Shape: "Time", In: "querystring", Location: "when"},
				{Name: "Since", Shape: "Time", In: "header", Location: "If-Modified-Since"},
				{Name: "Strong", Shape: "Bool", In: "header", Location: "X-Strong"},
				{Name: "Cups", Shape: "Ints", In: "header", Location: "X-Cups"},
				{Name: "Notes", Shape: "Strings", In: "header", Location: "X-Notes"},
				{Name: "Dates", Shape: "Times", In: "header", Location: "X-Dates"},
				{Name: "Meta", Shape: "Map", In: "headers", Location: "X-Meta-"},
				{Name: "Version", Shape: "Long", In: "querystring", Location: "v"},
				{Name: "Recipe", Shape: "Recipe"},
			}},
			"BrewOut": {Type: "structure", Members: []descriptor.Member{
				{Name: "Status", Shape: "Int", In: "statusCode"},
				{Name: "Location", Shape: "String", In: "header"},
				{Name: "Expires", Shape: "Time", In: "header"},
				{Name: "Stamp", Shape: "Time", In: "header", Location: "X-Stamp", Format: "unixTimestamp"},
				{Name: "Meta", Shape: "Map", In: "headers", Location: "X-Meta-"},
				{Name: "Notes", Shape: "Strings", In: "header", Location: "X-Notes"},
				{Name: "Left", Shape: "Long", Location: "left"},
				{Name: "Made", Shape: "Time", Location: "made", Format: "iso8601"},
			}},
			"DrinkIn": {Type: "structure", Members: []descriptor.Member{{Name: "Key", Shape: "String", In: "uri"}}},
			"DrinkOut": {Type: "structure", Payload: "Tea", Members: []descriptor.Member{
				{Name: "Tea", Shape: "Blob"}, {Name: "Kind", Shape: "String", In: "header", Location: "Content-Type"},
			}},
		},
	}
}

func teaService(t *testing.T) *Service {
	t.Helper()
	s, err := newService(tea(), []Operation{
		Op("Brew", func(context.Context, *brewInput) (*brewOutput, error) { return nil, nil }).Takes("*"),
		Op("Drink", func(context.Context, *drinkInput) (*drinkOutput, error) { return nil, nil }).Takes("*"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRESTPlacesOfMembers(t *testing.T) {
	t.Parallel()
	s := teaService(t)
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	r := httptest.NewRequest("PUT", "/pots/green/big%20one?op=brew&tag=a&tag=b,c&when=2026-03-04T05:06:07Z&v=9&milk=no", nil)
	for k, v := range map[string]string{
		"If-Modified-Since": "Wed, 04 Mar 2026 05:06:07 GMT", "X-Strong": "true", "X-Cups": "1, 2", "X-Notes": `plain, "a, \"b\""`,
		"X-Dates": "Wed, 04 Mar 2026 05:06:07 GMT, Wed, 04 Mar 2026 05:06:07 GMT", "X-Meta-Owner": "me",
	} {
		r.Header.Set(k, v)
	}
	c, err := s.Decode(r, []byte(`{"leaves":"many"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &brewInput{
		Key: aws.String("green/big one"), Rest: map[string]string{"milk": "no"}, Tags: []string{"a", "b,c"}, When: &at, Since: &at,
		Strong: aws.Bool(true), Cups: []int32{1, 2}, Notes: []string{"plain", `a, "b"`}, Dates: []time.Time{at, at},
		Meta: map[string]string{"owner": "me"}, Recipe: &recipe{Leaves: aws.String("many")}, Version: aws.Int64(9),
	}
	if diff := gocmp.Diff(want, c.Input); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	w := httptest.NewRecorder()
	out := &brewOutput{
		Status: aws.Int32(203), Location: aws.String("/there"), Expires: &at, Stamp: &at, Meta: map[string]string{"A": "b"},
		Notes: []string{"plain", `a, "b"`}, Left: aws.Int64(3), Made: &at,
	}
	if err := s.Encode(w, c, "r", out); err != nil {
		t.Fatal(err)
	}
	if w.Code != 203 || w.Body.String() != `{"left":3,"made":"2026-03-04T05:06:07Z"}` {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for k, v := range map[string]string{
		"Location": "/there", "Expires": "Wed, 04 Mar 2026 05:06:07 GMT", "X-Stamp": "1772600767", "X-Meta-A": "b", "X-Notes": `plain, "a, \"b\""`,
	} {
		if got := w.Header().Get(k); got != v {
			t.Errorf("header %s: got %q, want %q", k, got, v)
		}
	}
	w = httptest.NewRecorder()
	if err := s.Encode(w, c, "r", &brewOutput{}); err != nil || w.Code != 202 || w.Body.String() != `{}` {
		t.Errorf("got %d %s, %v", w.Code, w.Body, err)
	}
}

func TestRESTPayloads(t *testing.T) {
	t.Parallel()
	s := teaService(t)
	c, err := s.Decode(httptest.NewRequest("GET", "/pots/green/cup", nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		out               *drinkOutput
		body, contentType string
	}{
		{&drinkOutput{Tea: []byte{0, 255}}, "\x00\xff", "application/octet-stream"},
		{&drinkOutput{Tea: []byte("t"), Kind: aws.String("text/tea")}, "t", "text/tea"},
		{&drinkOutput{}, "", ""},
	} {
		w := httptest.NewRecorder()
		if err := s.Encode(w, c, "r", tc.out); err != nil {
			t.Fatal(err)
		}
		if w.Body.String() != tc.body || w.Header().Get("Content-Type") != tc.contentType {
			t.Errorf("got %q of %q, want %q of %q", w.Body, w.Header().Get("Content-Type"), tc.body, tc.contentType)
		}
	}
}

// FuzzRESTDecode holds that a request is either decoded or refused with an AWS error, whatever is in it.
func FuzzRESTDecode(f *testing.F) {
	s := service(f, efsName, efsOperations(efs.NewFromConfig(sdkConfig(nil))))
	f.Add("POST", "/2015-02-01/file-systems", "", `{"CreationToken":"t"}`)
	f.Add("GET", "/2015-02-01/mount-targets", "FileSystemId=fs-12345678&MaxItems=3", "")
	f.Add("DELETE", "/2015-02-01/resource-tags/fs-12345678", "tagKeys=a&tagKeys=b", "")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Method, r.URL.Path, r.URL.RawPath, r.URL.RawQuery = method, path, path, query
		c, err := s.Decode(r, []byte(body))
		if _, refused := errors.AsType[smithy.APIError](err); (err != nil) != refused || (c != nil) == refused {
			t.Errorf("%s %s?%s %q: got %v and error %v", method, path, query, body, c, err)
		}
	})
}
