package bind_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

// everything has a member of each kind that API models know, and holds itself.
type everything struct {
	Flag    *bool
	Small   int32
	Big     *int64
	Half    *float32
	Full    *float64
	At      *time.Time
	Bytes   []byte
	Texts   []string
	ByName  map[string]int32
	Kids    []everything
	Only    *everything
	Renamed *string
}

var desc = &descriptor.Service{Protocols: []string{"awsjson1.1"}, Shapes: map[string]*descriptor.Shape{
	"Bool": {Type: "boolean"}, "Int": {Type: "integer"}, "Long": {Type: "long"}, "Float": {Type: "float"},
	"Double": {Type: "double"}, "Time": {Type: "timestamp"}, "Blob": {Type: "blob"}, "String": {Type: "string"},
	"Texts":  {Type: "list", Element: &descriptor.Ref{Shape: "String"}},
	"ByName": {Type: "map", Key: &descriptor.Ref{Shape: "String"}, Element: &descriptor.Ref{Shape: "Int"}},
	"Kids":   {Type: "list", Element: &descriptor.Ref{Shape: "Everything"}},
	"Everything": {Type: "structure", Members: []descriptor.Member{
		{Name: "flag", Shape: "Bool"},
		{Name: "small", Shape: "Int"},
		{Name: "big", Shape: "Long"},
		{Name: "half", Shape: "Float"},
		{Name: "full", Shape: "Double"},
		{Name: "at", Shape: "Time"},
		{Name: "bytes", Shape: "Blob"},
		{Name: "texts", Shape: "Texts"},
		{Name: "byName", Shape: "ByName"},
		{Name: "kids", Shape: "Kids"},
		{Name: "only", Shape: "Everything"},
		{Name: "renamed", Shape: "String", Location: "on-the-wire"},
	}},
}}

func TestEveryKindComesBack(t *testing.T) {
	t.Parallel()
	typ, err := bind.New(desc, "awsjson1.1").Bind("Everything", reflect.TypeFor[everything]())
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		body string
		want everything
		back string // what is written again; "" is the same
	}{
		{
			`{"flag":false,"small":-1,"big":9223372036854775807,"half":0.5,"full":1e+300}`,
			everything{Flag: new(false), Small: -1, Big: new(int64(1<<63 - 1)), Half: new(float32(0.5)), Full: new(1e300)},
			"",
		},
		{
			`{"small":0,"at":1772600767.890,"bytes":"AP8="}`,
			everything{At: new(time.UnixMilli(1772600767890).UTC()), Bytes: []byte{0, 255}},
			"",
		},
		{
			`{"at":"2026-03-04T05:06:07.89Z"}`,
			everything{At: new(time.UnixMilli(1772600767890).UTC())},
			`{"small":0,"at":1772600767.890}`,
		},
		{
			`{"small":0,"texts":["a",""],"byName":{"a":1,"b":2}}`,
			everything{Texts: []string{"a", ""}, ByName: map[string]int32{"a": 1, "b": 2}},
			"",
		},
		{`{"small":0,"texts":[],"byName":{}}`, everything{Texts: []string{}, ByName: map[string]int32{}}, ""},
		{
			`{"small":0,"kids":[{"small":1,"kids":[]}],"only":{"small":2,"only":{"small":3}}}`,
			everything{Kids: []everything{{Small: 1, Kids: []everything{}}}, Only: &everything{Small: 2, Only: &everything{Small: 3}}},
			"",
		},
		{`{"small":0,"on-the-wire":"x"}`, everything{Renamed: new("x")}, ""},
	} {
		v, err := awsjson.Parse([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r := typ.Read(v, nil, false)
		got, faults := r.Value, &r.Faults
		if faults.Any() {
			t.Errorf("%s: %+v", tc.body, faults)
		}
		if diff := cmp.Diff(&tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.body, diff)
		}
		back, err := awsjson.Append(nil, typ, reflect.ValueOf(got).Elem())
		if want := tc.back; err != nil || string(back) != want && (want != "" || string(back) != tc.body) {
			t.Errorf("%s: written again as %s, %v", tc.body, back, err)
		}
	}
}

func TestReadRefusesOtherTypes(t *testing.T) {
	t.Parallel()
	typ, err := bind.New(desc, "awsjson1.1").Bind("Everything", reflect.TypeFor[everything]())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"flag":"true"}`, `{"flag":1}`, `{"small":true}`, `{"small":2147483648}`, `{"small":-2147483649}`, `{"small":1e400}`,
		`{"big":9223372036854775808}`, `{"half":1e39}`, `{"full":"1"}`, `{"at":"yesterday"}`, `{"at":1e300}`, `{"at":true}`,
		`{"bytes":"not base64"}`, `{"bytes":[1]}`, `{"texts":{}}`, `{"texts":[1]}`, `{"byName":[]}`, `{"byName":{"a":null}}`,
		`{"kids":[[]]}`, `{"only":"x"}`,
	} {
		v, err := awsjson.Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if faults := typ.Read(v, nil, false).Faults; len(faults.Malformed) != 1 {
			t.Errorf("%s: faults %+v, want one malformed value", body, faults)
		}
	}
}

func TestBindRefusesWhatWouldLoseSomething(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		shape string
		goes  reflect.Type
		names string
	}{
		{"Everything", reflect.TypeFor[struct{ Flag *bool }](), "small"},
		{"Everything", reflect.TypeFor[struct{ Big *int32 }](), "big"},
		{"Everything", reflect.TypeFor[*everything](), "struct"},
		{"Nothing", reflect.TypeFor[struct{}](), "Nothing"},
	} {
		if _, err := bind.New(desc, "awsjson1.1").Bind(tc.shape, tc.goes); err == nil || !strings.Contains(err.Error(), tc.names) {
			t.Errorf("%s to %s: error %v, want one that names %s", tc.shape, tc.goes, err, tc.names)
		}
	}
}
