package config

import "strings"

// oneFits returns the first pattern, with one * at most, that s fits.
func oneFits(patterns []string, s string) (string, bool) {
	for _, p := range patterns {
		before, after, wild := strings.Cut(p, "*")
		if p == s || wild && len(s) >= len(p)-1 && strings.HasPrefix(s, before) && strings.HasSuffix(s, after) {
			return p, true
		}
	}
	return "", false
}

// allFit says whether each of the headers fits a pattern; names have no case.
func allFit(patterns, headers []string) bool {
	lower := make([]string, len(patterns))
	for i, p := range patterns {
		lower[i] = strings.ToLower(p)
	}
	for _, h := range headers {
		if _, ok := oneFits(lower, strings.ToLower(h)); !ok {
			return false
		}
	}
	return true
}
