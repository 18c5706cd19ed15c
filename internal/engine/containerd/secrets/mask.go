package secrets

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Mask returns a text without the values of those variables, "KEY=value", that are not among the plain ones, whether it has them as they
// are, or quoted as Go or JSON does it.
func Mask(text string, variables, plain []string) string {
	var forms []string
	for _, v := range variables {
		_, value, _ := strings.Cut(v, "=")
		if value == "" || slices.Contains(plain, v) {
			continue
		}
		asJSON, _ := json.Marshal(value) // of a text there is always one
		forms = append(forms, value, inner(strconv.Quote(value)), inner(string(asJSON)))
	}
	// A value may be a part of another: the longer goes first.
	slices.SortFunc(forms, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, f := range forms {
		pairs = append(pairs, f, "***")
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func inner(quoted string) string { return quoted[1 : len(quoted)-1] }
