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
		{"*", "", true, true},
		{"", "", true, true},
		{"", "a", false, false},
		{"**a**", "bab", true, true},
		{"?*?", "ab", true, true},
		{"?*?", "a", false, false},
		{"*a*b*c", "xaxbxbxc", true, true},
		{"*aab", "aaaaaaaab", true, true},
	} {
		if got := match.Host(tt.pattern).Match([]byte(tt.text)); got != tt.host {
			t.Errorf("Host(%q).Match(%q) = %v, want %v", tt.pattern, tt.text, got, tt.host)
		}
		if got := match.Path(tt.pattern).Match([]byte(tt.text)); got != tt.path {
			t.Errorf("Path(%q).Match(%q) = %v, want %v", tt.pattern, tt.text, got, tt.path)
		}
	}
}
