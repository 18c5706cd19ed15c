package engine

import (
	"fmt"
	"strings"
)

// Secrets are variables of a container, "KEY=value", that are for it alone. What is printed of them is how many there are.
type Secrets []string

// String leaves the variables out.
func (s Secrets) String() string { return fmt.Sprintf("%d secrets", len(s)) }

// GoString leaves the variables out.
func (s Secrets) GoString() string { return s.String() }

// MarshalText leaves the variables out.
func (s Secrets) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// problem says what is wrong with the variables, and no value.
func (s Secrets) problem() string {
	for _, v := range s {
		name, value, ok := strings.Cut(v, "=")
		switch {
		case !ok || name == "" || strings.Contains(name, "\x00"):
			return "the name of a variable that is secret is empty or has a NUL byte"
		case strings.Contains(value, "\x00"):
			return fmt.Sprintf("the value for variable %s has a NUL byte, which no environment variable can have", name)
		}
	}
	return ""
}
