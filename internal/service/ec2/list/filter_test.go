package list

import "testing"

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"abc", "ABC", false},
		{"a*c", "abbbc", true},
		{"a*c", "abbbd", false},
		{"*", "", true},
		{"**x*", "yx", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{`a\*c`, "a*c", true},
		{`a\*c`, "abc", false},
		{`a\\c`, `a\c`, true},
		{`*\?`, "what?", true},
		{`*\?`, "what!", false},
		{"*a*b*c", "xxaxxbxxbxxc", true},
		{"", "", true},
		{"", "a", false},
	} {
		if got := matches(tc.pattern, tc.s); got != tc.want {
			t.Errorf("%q against %q: %v", tc.pattern, tc.s, got)
		}
	}
}
