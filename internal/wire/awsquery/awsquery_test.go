package awsquery

import (
	"bytes"
	"math"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/awsxml"
	"github.com/skylift/skylift/internal/wire/bind"
	"github.com/skylift/skylift/internal/wire/descriptor"
)

type inner struct{ Value *string }

type shape struct {
	Texts, Flat, Named []string
	Tags, FlatTags     map[string]string
	Inner              *inner
	Ratio              *float64
	At                 *time.Time
	Bytes              []byte
}

func bound(t *testing.T) *bind.Type {
	t.Helper()
	text := &descriptor.Ref{Shape: "String"}
	typ, err := bind.New(&descriptor.Service{Protocols: []string{"awsquery"}, Shapes: map[string]*descriptor.Shape{
		"String": {Type: "string"}, "Double": {Type: "double"}, "Time": {Type: "timestamp"}, "Blob": {Type: "blob"},
		"Texts": {Type: "list", Element: text},
		"Named": {Type: "list", Element: &descriptor.Ref{Shape: "String", Name: "item"}},
		"Tags":  {Type: "map", Key: text, Element: text},
		"Flat":  {Type: "list", Element: text, Flattened: true},
		"Other": {Type: "map", Key: &descriptor.Ref{Shape: "String", Name: "K"}, Element: &descriptor.Ref{Shape: "String", Name: "V"}, Flattened: true},
		"Inner": {Type: "structure", Members: []descriptor.Member{{Name: "Value", Shape: "String"}}},
		"Shape": {Type: "structure", Members: []descriptor.Member{
			{Name: "Texts", Shape: "Texts"},
			{Name: "Flat", Shape: "Flat"},
			{Name: "Named", Shape: "Named"},
			{Name: "Tags", Shape: "Tags"},
			{Name: "FlatTags", Shape: "Other"},
			{Name: "Inner", Shape: "Inner"},
			{Name: "Ratio", Shape: "Double"},
			{Name: "At", Shape: "Time"},
			{Name: "Bytes", Shape: "Blob"},
		}},
	}}, "awsquery").Bind("Shape", reflect.TypeFor[shape]())
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

// cases are values, how a form spells them, and how an answer does.
var cases = []struct {
	value     shape
	form, xml string
}{
	{shape{Texts: []string{"a", "<b>"}}, "Texts.member.1=a&Texts.member.2=<b>", "<Texts><member>a</member><member>&lt;b&gt;</member></Texts>"},
	{shape{Flat: []string{"a", "b"}}, "Flat.1=a&Flat.2=b", "<Flat>a</Flat><Flat>b</Flat>"},
	{shape{Named: []string{"a"}}, "Named.item.1=a", "<Named><item>a</item></Named>"},
	{
		shape{Tags: map[string]string{"k": "v", "l": ""}},
		"Tags.entry.1.key=k&Tags.entry.1.value=v&Tags.entry.2.key=l&Tags.entry.2.value=",
		"<Tags><entry><key>k</key><value>v</value></entry><entry><key>l</key><value></value></entry></Tags>",
	},
	{shape{FlatTags: map[string]string{"k": "v"}}, "FlatTags.1.K=k&FlatTags.1.V=v", "<FlatTags><K>k</K><V>v</V></FlatTags>"},
	{shape{Inner: &inner{Value: new("x")}}, "Inner.Value=x", "<Inner><Value>x</Value></Inner>"},
	{shape{Texts: []string{}}, "Texts=", "<Texts></Texts>"},
	{shape{Ratio: new(0.25), Bytes: []byte("hi")}, "Ratio=0.25&Bytes=aGk=", "<Ratio>0.25</Ratio><Bytes>aGk=</Bytes>"},
	{shape{Ratio: new(math.Inf(-1))}, "Ratio=-Infinity", "<Ratio>-Infinity</Ratio>"},
	{shape{At: new(time.UnixMilli(1772600767890).UTC())}, "At=2026-03-04T05:06:07.890Z", "<At>2026-03-04T05:06:07.890Z</At>"},
	{shape{}, "", ""},
}

func TestForms(t *testing.T) {
	t.Parallel()
	typ := bound(t)
	for _, tc := range cases {
		form, err := Parse("", tc.form)
		if err != nil {
			t.Fatal(err)
		}
		r := typ.Read(form.Value(typ, Dialect{}), nil, false)
		got, faults := r.Value, &r.Faults
		if faults.Any() {
			t.Errorf("%s: %+v", tc.form, faults)
		}
		if diff := cmp.Diff(&tc.value, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.form, diff)
		}
	}
}

func TestXML(t *testing.T) {
	t.Parallel()
	typ := bound(t)
	for _, tc := range cases {
		var w bytes.Buffer
		if err := awsxml.WriteFields(&w, typ, reflect.ValueOf(tc.value)); err != nil || w.String() != tc.xml {
			t.Errorf("got %s, %v, want %s", &w, err, tc.xml)
		}
		v, err := awsxml.Parse([]byte("<Shape>"+tc.xml+"</Shape>"), typ, "Shape")
		if err != nil {
			t.Fatalf("%s: %v", tc.xml, err)
		}
		r := typ.Read(v, nil, false)
		if diff := cmp.Diff(&tc.value, r.Value); diff != "" || r.Faults.Any() {
			t.Errorf("%s is read as (-want +got):\n%s%+v", tc.xml, diff, r.Faults)
		}
	}
}

func TestFormsThatAreNotOfTheType(t *testing.T) {
	t.Parallel()
	typ := bound(t)
	for _, s := range []string{
		"Texts.1=a", "Texts.member.x=a", "Texts.member.-1=a", "Texts.member.1=a&Texts.member.01=b", "Texts=a", "Texts.member=a",
		"Texts.member.1=a&Texts.other.1=b", "Texts.member.1.deep=a", "Inner=x", "Inner.Value=x&Inner=y", "Tags.entry.1.key=a",
		"Tags.entry.1.key=a&Tags.entry.1.value=b&Tags.entry.1.x=c", "Tags.entry.1.key.a=a&Tags.entry.1.value=b", "Ratio.1=2", "Ratio=x", "Bytes=%25",
	} {
		form, err := Parse(s, "")
		if err != nil {
			t.Fatal(err)
		}
		if faults := typ.Read(form.Value(typ, Dialect{}), nil, false).Faults; len(faults.Malformed) != 1 {
			t.Errorf("%s: faults %+v, want one malformed value", s, faults)
		}
	}
}

func TestTakeRemovesWhatBelongsToTheProtocol(t *testing.T) {
	t.Parallel()
	form, err := Parse("X-Amz-Signature=s", url.Values{"Action": {"Act"}, "A.B": {"c"}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got := form.Take("Action"); got != "Act" {
		t.Errorf("got %q", got)
	}
	if got := form.Take("A") + form.Take("Action") + form.Take("X-Amz-Signature"); got != "" {
		t.Errorf("got %q of nothing", got)
	}
	if len(form.kids) != 1 {
		t.Errorf("left: %v", form.kids)
	}
}
