package rule_test

import (
	"testing"

	"github.com/skylift/skylift/internal/edge/rule"
)

func TestNormalize(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/":                    "/",
		"*":                    "*",
		"/a/b//c":              "/a/b//c",
		"/%61%2Db%2f%c3%A9%":   "/a-b%2F%C3%A9%",
		"/a/./b/../c":          "/a/c",
		"/a/%2e%2E/admin":      "/admin",
		"/../../a":             "/a",
		"/a/..":                "/",
		"/a/b/.":               "/a/b/",
		"/.a/..b/...":          "/.a/..b/...",
		"/a//../b":             "/a/b",
		"/%zz%4":               "/%zz%4",
		"/..":                  "/",
		"/.":                   "/",
		"/%2e":                 "/",
		"/a/b/c/./../../g":     "/a/g",
		"/%25%2e%2e/%252e%252": "/%25../%252e%252",
	} {
		room := make([]byte, 3, 100)
		if got := string(rule.Normalize(room, []byte(path))); got != want {
			t.Errorf("Normalize(%q) = %q, want %q", path, got, want)
		}
	}
}
