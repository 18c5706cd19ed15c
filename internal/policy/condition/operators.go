package condition

import (
	"bytes"
	"encoding/base64"
	"math"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/policy/pattern"
)

// A matcher tells whether a value of the request is as one of the policy's says.
type matcher interface {
	match(value string, get pattern.Lookup) bool
}

type operator struct {
	negated bool
	compile func(values []string, vars bool) (matcher, error)
}

// operators has them by their names in lower case, without Null.
var operators = map[string]operator{
	"stringequals":              {false, texts(pattern.Equal)},
	"stringnotequals":           {true, texts(pattern.Equal)},
	"stringequalsignorecase":    {false, texts(pattern.EqualFold)},
	"stringnotequalsignorecase": {true, texts(pattern.EqualFold)},
	"stringlike":                {false, texts(pattern.Like)},
	"stringnotlike":             {true, texts(pattern.Like)},
	"arnequals":                 {false, arns},
	"arnnotequals":              {true, arns},
	"arnlike":                   {false, arns},
	"arnnotlike":                {true, arns},
	"bool":                      {false, bools},
	"ipaddress":                 {false, each(parseNetwork, netip.ParseAddr, contains)},
	"notipaddress":              {true, each(parseNetwork, netip.ParseAddr, contains)},
	"binaryequals":              {false, each(base64.StdEncoding.DecodeString, base64.StdEncoding.DecodeString, bytes.Equal)},
	"numericequals":             {false, numbers(func(v, p float64) bool { return v == p })},
	"numericnotequals":          {true, numbers(func(v, p float64) bool { return v == p })},
	"numericlessthan":           {false, numbers(func(v, p float64) bool { return v < p })},
	"numericlessthanequals":     {false, numbers(func(v, p float64) bool { return v <= p })},
	"numericgreaterthan":        {false, numbers(func(v, p float64) bool { return v > p })},
	"numericgreaterthanequals":  {false, numbers(func(v, p float64) bool { return v >= p })},
	"dateequals":                {false, dates(func(v, p time.Time) bool { return v.Equal(p) })},
	"datenotequals":             {true, dates(func(v, p time.Time) bool { return v.Equal(p) })},
	"datelessthan":              {false, dates(time.Time.Before)},
	"datelessthanequals":        {false, dates(func(v, p time.Time) bool { return !v.After(p) })},
	"dategreaterthan":           {false, dates(time.Time.After)},
	"dategreaterthanequals":     {false, dates(func(v, p time.Time) bool { return !v.Before(p) })},
}

type textMatcher []pattern.Pattern

func (m textMatcher) match(value string, get pattern.Lookup) bool {
	for _, p := range m {
		if p.Match(value, get) {
			return true
		}
	}
	return false
}

func (m textMatcher) keys() (keys []string) {
	for _, p := range m {
		keys = append(keys, p.Keys()...)
	}
	return keys
}

func texts(compile func(string, bool) pattern.Pattern) func([]string, bool) (matcher, error) {
	return func(values []string, vars bool) (matcher, error) {
		var m textMatcher
		for _, v := range values {
			m = append(m, compile(v, vars))
		}
		return m, nil
	}
}

type arnMatcher []pattern.ARN

func (m arnMatcher) match(value string, get pattern.Lookup) bool {
	for _, a := range m {
		if a.Match(value, get) {
			return true
		}
	}
	return false
}

func (m arnMatcher) keys() (keys []string) {
	for _, a := range m {
		keys = append(keys, a.Keys()...)
	}
	return keys
}

func arns(values []string, vars bool) (matcher, error) {
	var m arnMatcher
	for _, v := range values {
		m = append(m, pattern.NewARN(v, vars))
	}
	return m, nil
}

// bools compares truth values. Variables may stand in for them.
func bools(values []string, vars bool) (matcher, error) {
	var m textMatcher
	for _, v := range values {
		if _, err := parseBool(v); err != nil && !(vars && strings.Contains(v, "${")) {
			return nil, err
		}
		m = append(m, pattern.EqualFold(v, vars))
	}
	return m, nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, ErrValue
}

// valueMatcher compares values of a type V to policies' values of a type P.
type valueMatcher[V, P any] struct {
	values  []P
	parse   func(string) (V, error)
	compare func(V, P) bool
}

// match is false for a value that isn't of the type.
func (m valueMatcher[V, P]) match(value string, _ pattern.Lookup) bool {
	v, err := m.parse(value)
	if err != nil {
		return false
	}
	for _, p := range m.values {
		if m.compare(v, p) {
			return true
		}
	}
	return false
}

func each[V, P any](parsePolicy func(string) (P, error), parse func(string) (V, error), compare func(V, P) bool) func([]string, bool) (matcher, error) {
	return func(values []string, _ bool) (matcher, error) {
		m := valueMatcher[V, P]{parse: parse, compare: compare}
		for _, text := range values {
			p, err := parsePolicy(text)
			if err != nil {
				return nil, ErrValue
			}
			m.values = append(m.values, p)
		}
		return m, nil
	}
}

func numbers(compare func(v, p float64) bool) func([]string, bool) (matcher, error) {
	return each(parseNumber, parseNumber, compare)
}

func dates(compare func(v, p time.Time) bool) func([]string, bool) (matcher, error) {
	return each(parseDate, parseDate, compare)
}

var decimal = regexp.MustCompile(`^[+-]?\d+(\.\d*)?([eE][+-]?\d+)?$`)

func parseNumber(s string) (float64, error) {
	if !decimal.MatchString(s) {
		return 0, ErrValue
	}
	return strconv.ParseFloat(s, 64)
}

// layouts are the forms of ISO 8601 that AWS's documentation shows (W3C's date
// and time formats).
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", "2006-01", "2006"}

// parseDate reads a date of ISO 8601 or seconds since 1970. Four digits alone are a year.
func parseDate(s string) (time.Time, error) {
	for _, layout := range layouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	seconds, err := parseNumber(s)
	if err != nil {
		return time.Time{}, err
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*float64(time.Second))), nil
}

// parseNetwork reads a CIDR block or a single address.
func parseNetwork(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return netip.Prefix{}, err
		}
		return a.Prefix(a.BitLen())
	}
	p, err := netip.ParsePrefix(s)
	return p.Masked(), err
}

func contains(a netip.Addr, p netip.Prefix) bool { return p.Contains(a) }
