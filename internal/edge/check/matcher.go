package check

import (
	"fmt"
	"strconv"
	"strings"
)

// Matcher tells which status codes are a healthy answer.
type Matcher struct{ spans [][2]int }

// ParseMatcher reads ELBv2's notation: codes and ranges of codes, separated
// by commas, as in "200-299,301". An empty text means "200".
func ParseMatcher(text string) (Matcher, error) {
	if text == "" {
		text = "200"
	}
	var m Matcher
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < 100 || to > 599 || from > to {
			return Matcher{}, fmt.Errorf("parse matcher %q: %q is neither a code nor a range of codes", text, part)
		}
		m.spans = append(m.spans, [2]int{from, to})
	}
	return m, nil
}

// Match tells whether code is a healthy answer.
func (m Matcher) Match(code int) bool {
	for _, s := range m.spans {
		if s[0] <= code && code <= s[1] {
			return true
		}
	}
	return false
}
