package match_test

import (
	"testing"

	"github.com/skylift/skylift/internal/edge/match"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, text string
		host, path    bool
	}{
		{"example.com", "example.com", true, true},
		{"Example.com", "eXample.COM", true, false},
		{"*.example.com", "www.example.com", true, true},
		{"*.example.com", "example.com", false, false},
		{"*.example.com", "a.b.example.com", true, true},
		{"/img/*", "/img/", true, true},
		{"/img/*", "/img", false, false},
		{"/img/*/pics", "/img/a/b/pics", true, true},
		{"/img/*/pics", "/img/a/b/pic", false, false},
		{"/?.gif", "/a.gif", true, true},
		{"/?.gif", "/.gif", false, false},
		{"/IMG", "/img", true, false},
		{"/IMG/*", "/img/x", true, false},
		{"*.JPG", "/img/x.jpg", true, false},
		{"*", "", true, true},
		{"", "", true, true},
		{"", "a", false, false},
		{"**a**", "bab", true, true},
		{"?*?", "ab", true, true},
		{"?*?", "a", false, false},
		{"*a*b*c", "xaxbxbxc", true, true},
		{"*aab", "aaaaaaaab", true, true},
		{"ab*ba", "aba", false, false},
	} {
		if got := match.Host(tt.pattern).Match([]byte(tt.text)); got != tt.host {
			t.Errorf("Host(%q).Match(%q) = %v, want %v", tt.pattern, tt.text, got, tt.host)
		}
		if got := match.Path(tt.pattern).Match([]byte(tt.text)); got != tt.path {
			t.Errorf("Path(%q).Match(%q) = %v, want %v", tt.pattern, tt.text, got, tt.path)
		}
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{`v*`, "V1", true},
		{`v\*`, "v*", true},
		{`v\*`, "v1", false},
		{`\?x?`, "?xy", true},
		{`\?x?`, "ax?", false},
		{`a\b`, `a\b`, true},
		{`a\`, `a\`, true},
	} {
		if got := match.Query(tt.pattern).Match([]byte(tt.text)); got != tt.want {
			t.Errorf("Query(%q).Match(%q) = %v, want %v", tt.pattern, tt.text, got, tt.want)
		}
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, begin, end string
		closed              bool
	}{
		{"/a/b", "/a/b", "/a/b", true},
		{"/A/*", "/A/", "", false},
		{"*.jpg", "", ".jpg", false},
		{"/a/?/b*/c", "/a/", "/c", false},
	} {
		begin, end, closed := match.Path(tt.pattern).Literal()
		if begin != tt.begin || end != tt.end || closed != tt.closed {
			t.Errorf("Path(%q).Literal() = %q, %q, %v, want %q, %q, %v", tt.pattern, begin, end, closed, tt.begin, tt.end, tt.closed)
		}
	}
}

func TestRegex(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		regex, text string
		fold, want  bool
		begin, end  string
	}{
		{`^/api/v[0-9]+/x$`, "/api/v12/x", false, true, "/api/v", "/x"},
		{`^/api/v[0-9]+$`, "/API/v12", false, false, "/api/v", ""},
		{`^(.+)\.Example\.com$`, "www.EXAMPLE.com", true, true, "", ".example.com"},
		{`api`, "/an/api/x", false, true, "", ""},
		{`^(?i)/a`, "/A", false, true, "", ""},
		{`^a|b$`, "xb", false, true, "", ""},
		{`^(?m)a$`, "a", false, true, "a", ""},
	} {
		r, err := match.CompileRegex(tt.regex, tt.fold)
		if err != nil {
			t.Errorf("CompileRegex(%q): %v", tt.regex, err)
			continue
		}
		begin, end := r.Literal()
		if got := r.Match([]byte(tt.text)); got != tt.want || begin != tt.begin || end != tt.end {
			t.Errorf("%q matches %q: %v, literal ends %q, %q, want %v, %q, %q", tt.regex, tt.text, got, begin, end, tt.want, tt.begin, tt.end)
		}
	}
	for _, bad := range []string{`(?=a)`, `(?<!a)b`, `(a)\1`, `(?>a)`, `a++`, `\p{L}`, `(`, `((a{100}){100}){100}`, `(abcdefghij){900}`} {
		if _, err := match.CompileRegex(bad, false); err == nil {
			t.Errorf("CompileRegex(%q) succeeded", bad)
		}
	}
}
