package check

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/skylift/skylift/internal/edge/table"
)

// Matcher tells which status codes are a healthy answer.
type Matcher struct{ spans [][2]int }

// ParseMatcher reads ELBv2's notation: codes and ranges of codes, separated
// by commas, as in "200-299,301". An empty text means "200", of gRPC "12".
func ParseMatcher(version table.Version, text string) (Matcher, error) {
	least, most, usual := 100, 599, "200"
	if version == table.GRPC {
		least, most, usual = 0, 99, "12"
	}
	if text == "" {
		text = usual
	}
	var m Matcher
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if err1 != nil || err2 != nil || from < least || to > most || from > to {
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
