// Package domain has the rules of the names that certificates are for.
package domain

import (
	"slices"
	"strings"
)

// Names returns all that a certificate is requested for, in lower case, the first as its subject.
func Names(first string, others []string) []string {
	all := []string{strings.ToLower(first)}
	for _, n := range others {
		if n = strings.ToLower(n); !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// Pattern is what Valid checks: AWS's, in whose words a name is refused.
const Pattern = `(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])`

// Valid tells whether a certificate can be requested for a name: two labels or more,
// perhaps behind "*.".
func Valid(name string) bool {
	labels := strings.Split(strings.TrimPrefix(name, "*."), ".")
	for _, l := range labels {
		odd := func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
		}
		if len(l) < 1 || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, odd) {
			return false
		}
	}
	return len(labels) > 1 && len(labels[len(labels)-1]) > 1
}
