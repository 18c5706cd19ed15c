package bind

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// check notes each constraint of t that dst, read from v, does not meet.
func (r *reader) check(t *Type, dst reflect.Value, v Value) {
	switch t.Kind {
	case String:
		r.checkText(t, dst.String(), v)
	case Integer, Long:
		r.checkRange(t, float64(dst.Int()), v, MinValue, MaxValue)
	case Float, Double:
		r.checkRange(t, dst.Float(), v, MinValue, MaxValue)
	case Blob, List, Map:
		r.checkRange(t, float64(dst.Len()), v, MinLength, MaxLength)
	}
}

func (r *reader) checkText(t *Type, s string, v Value) {
	if t.pattern != nil && !t.pattern.MatchString(s) {
		r.violation(t.shown(v), Pattern, t.source)
	}
	if t.min != nil || t.max != nil {
		r.checkRange(t, float64(utf8.RuneCountInString(s)), v, MinLength, MaxLength)
	}
	if t.enum != nil && !slices.Contains(t.enum, s) {
		r.violation(t.shown(v), Enum, "["+strings.Join(t.enum, ", ")+"]")
	}
}

func (r *reader) checkRange(t *Type, n float64, v Value, low, high Rule) {
	if t.max != nil && n > *t.max {
		r.violation(t.shown(v), high, number(*t.max))
	}
	if t.min != nil && n < *t.min {
		r.violation(t.shown(v), low, number(*t.min))
	}
}

func (r *reader) violation(value string, rule Rule, limit string) {
	r.Faults.Violations = append(r.Faults.Violations, Violation{r.path.String(), value, rule, limit})
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
