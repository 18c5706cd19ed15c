package bind_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/wire/awsjson"
	"github.com/skylift/skylift/internal/wire/bind"
)

func masked(t *testing.T, takes, keeps string) (*bind.Type, *bind.Mask, error) {
	t.Helper()
	typ, err := bind.New(desc, "awsjson1.1").Bind("Everything", reflect.TypeFor[everything]())
	if err != nil {
		t.Fatal(err)
	}
	m := bind.NewMask(typ)
	if err := m.Take(typ, takes); err != nil {
		return nil, nil, err
	}
	return typ, m, m.Keep(typ, keeps, "why")
}

func TestAMaskRefusesWhatSaysSomething(t *testing.T) {
	t.Parallel()
	typ, m, err := masked(t, `flag kids{texts only{*}} on-the-wire=usual|common small=0`, `big half=0.5 only{at}`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		body        string
		unsupported []string
		kept        []string
	}{
		{`{"flag":true,"big":null}`, nil, nil},
		{`{"texts":["a"],"byName":{"a":1}}`, []string{"texts", "byName"}, nil},
		// what says nothing
		{`{"full":null,"texts":[],"byName":{},"bytes":""}`, nil, nil},
		{`{"on-the-wire":"usual"}`, nil, nil},
		{`{"on-the-wire":"common"}`, nil, nil},
		{`{"on-the-wire":""}`, nil, nil},
		{`{"on-the-wire":"other"}`, []string{"on-the-wire"}, nil},
		{`{"small":0}`, nil, nil},
		{`{"small":1}`, []string{"small"}, nil},
		{`{"full":0}`, []string{"full"}, nil}, // a number is one
		// at any depth
		{`{"kids":[{"texts":["a"]},{"flag":true}]}`, []string{"kids.2.member.flag"}, nil},
		{`{"kids":[{"flag":false,"only":{"flag":true,"kids":[{"big":1}]}}]}`, nil, nil},
		{`{"kids":[{"kids":[{}]}]}`, []string{"kids.1.member.kids"}, nil},
		// what is kept
		{`{"half":0.5}`, nil, nil},
		{`{"half":0.25}`, nil, []string{"half"}},
		{`{"big":1,"only":{"at":1}}`, nil, []string{"big", "only.at"}},
		{`{"only":{"flag":true}}`, []string{"only.flag"}, nil},
	} {
		v, err := awsjson.Parse([]byte(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		got := typ.Read(v, m, false)
		if d := cmp.Diff(tc.unsupported, got.Faults.Unsupported); d != "" {
			t.Errorf("%s: unsupported (-want +got):\n%s", tc.body, d)
		}
		if d := cmp.Diff(tc.kept, got.Kept); d != "" {
			t.Errorf("%s: kept (-want +got):\n%s", tc.body, d)
		}
	}
	if kept := m.Kept(typ); len(kept) != 3 || kept[0].Path != "big" || kept[2].Path != "only.at" || kept[0].Why != "why" {
		t.Errorf("kept are %+v, want big, half and only.at", kept)
	}
	if refused := m.Refused(typ); len(refused) != 7+10+11 {
		t.Errorf("%d members are refused: %+v", len(refused), refused)
	}
}

func TestWhatSaysNothingComesBackWhereItIsSaid(t *testing.T) {
	t.Parallel()
	typ, m, err := masked(t, "on-the-wire=usual", "")
	if err != nil {
		t.Fatal(err)
	}
	v, err := awsjson.Parse([]byte(`{"flag":false,"texts":[],"only":{},"on-the-wire":"usual"}`))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&everything{Flag: new(false), Renamed: new("usual")}, typ.Read(v, m, false).Value); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestDeclarationsThatAreNotRight(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ takes, keeps, want string }{
		{"flagg", "", `Everything has no member "flagg"`},
		{"kids{flagg}", "", `Everything has no member "flagg"`},
		{"kids", "", "a structure needs braces"},
		{"flag{*}", "", "a structure needs braces"},
		{"only=x", "", "a structure needs braces"},
		{"half=1 half=2", "", "declared once"},
		{"texts{*}", "", "a structure needs braces"},
		{"flag flag", "", "declared twice"},
		{"flag", "flag", "declared twice"},
		{"kids{*}", "kids{flag}", "all of Everything is declared already"},
		{"kids{flag", "", "isn't closed"},
		{"kids{flag} }", "", "a brace too many"},
	} {
		_, _, err := masked(t, tc.takes, tc.keeps)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q, %q: %v, want %s", tc.takes, tc.keeps, err, tc.want)
		}
	}
}
