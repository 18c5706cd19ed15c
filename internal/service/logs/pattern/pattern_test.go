package pattern

import "testing"

func TestMatch(t *testing.T) {
	t.Parallel()
	const doc = `{"level":"error","n":3,"who":{"ip":"10.0.0.7","ok":true,"gone":null},"tags":["a","b"],"x.y":"z"}`
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"ERROR", "[ERROR 400] BAD REQUEST", true},
		{"ERROR", "error", false},
		{"ERROR 400", "[ERROR 400] BAD REQUEST", true},
		{"ERROR 401", "[ERROR 400] BAD REQUEST", false},
		{`"BAD REQUEST"`, "[ERROR 400] BAD REQUEST", true},
		{`"BAD  REQUEST"`, "[ERROR 400] BAD REQUEST", false},
		{`"say \"hi\""`, `they say "hi"`, true},
		{"ERROR -BAD", "[ERROR 400] BAD REQUEST", false},
		{`-"BAD REQUEST"`, "fine", true},
		{"?ERROR ?WARN", "WARN: hot", true},
		{"?ERROR ?WARN", "INFO: cool", false},
		{"?ERROR INFO", "INFO: cool", true}, // as on AWS: the optional term does not count
		{"%4[0-9]{2}%", "[ERROR 404]", true},
		{"%^ERR%", "[ERROR 404]", false},
		{`{ $.level = "error" }`, doc, true},
		{`{ $.level = error }`, doc, true},
		{`{$.level="err*"}`, doc, true},
		{`{ $.level != "error" }`, doc, false},
		{`{ $.level = %err|warn% }`, doc, true},
		{`{ $.n >= 3 && $.n < 4 }`, doc, true},
		{`{ $.n > 3 || $.level = "error" }`, doc, true},
		{`{ ($.n > 3 || $.n = 3) && $.level = "warn" }`, doc, false},
		{`{ $.who.ip = "10.0.*" }`, doc, true},
		{`{ $.who.ok IS TRUE }`, doc, true},
		{`{ $.who.gone IS NULL }`, doc, true},
		{`{ $.who.name NOT EXISTS }`, doc, true},
		{`{ $.who.ip NOT EXISTS }`, doc, false},
		{`{ $.tags[1] = "b" }`, doc, true},
		{`{ $.tags[*] = "b" }`, doc, true},
		{`{ $.tags[7] = "b" }`, doc, false},
		{`{ $.['x.y'] = "z" }`, doc, true},
		{`{ $.level = "error" }`, "not json, level error", false},
	}
	for _, tt := range tests {
		m, err := Parse(tt.pattern)
		if err != nil {
			t.Errorf("%s: %v", tt.pattern, err)
			continue
		}
		if got := m(tt.text); got != tt.want {
			t.Errorf("%s on %s: got %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, p := range []string{
		"a:b", `"open`, "- x", "[a, b]", "%a(b)%", "%a", "{ $.a }", "{ $.a = }", "{ $ = 1 }", "{ a = 1 }",
		`{ $.a = 1`, `{ $.a = 1 && }`, `{ ($.a = 1 }`, `{ $.a < "x" }`, `{ $.a = 1 } x`, `{ $.a = 1 x }`, "{ $.a = \xe5 }",
	} {
		if _, err := Parse(p); err == nil {
			t.Errorf("%s: want an error", p)
		}
	}
	if m, err := Parse("  "); m != nil || err != nil {
		t.Errorf("empty: got %v, %v", m != nil, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{ $.a[*].b = "x*" || ($.c NOT EXISTS) }`)
	f.Add(`?a -"b c" %x%`)
	f.Fuzz(func(_ *testing.T, p string) {
		if m, err := Parse(p); err == nil && m != nil {
			m(`{"a":[{"b":"x"}],"c":1}`)
		}
	})
}
