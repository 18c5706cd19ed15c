package finding

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// Call is a call of an AWS operation.
type Call struct {
	Service   string `json:"service"`   // as the aws CLI calls it
	Operation string `json:"operation"` // UpdateService
	Input     []Arg  `json:"input"`
}

// Arg is a member of a call's input.
type Arg struct {
	Member string `json:"member"` // as AWS's reference has it
	Value  any    `json:"value"`
}

// NewCall makes a call; args are members and their values in turn.
func NewCall(service, operation string, args ...any) Call {
	c := Call{Service: service, Operation: operation}
	for i := 0; i+1 < len(args); i += 2 {
		c.Input = append(c.Input, Arg{fmt.Sprint(args[i]), args[i+1]})
	}
	return c
}

// Command is the call as one types it to the aws CLI.
func (c Call) Command() string {
	words := []string{"aws", c.Service, kebab(c.Operation)}
	for _, a := range c.Input {
		words = append(words, a.words()...)
	}
	return strings.Join(words, " ")
}

func (a Arg) words() []string {
	flag := "--" + kebab(a.Member)
	switch v := a.Value.(type) {
	case bool:
		if v {
			return []string{flag}
		}
		return []string{"--no-" + kebab(a.Member)}
	case string:
		return []string{flag, quote(v)}
	case []string:
		out := []string{flag}
		for _, s := range v {
			out = append(out, quote(s))
		}
		return out
	case int, int32, int64:
		return []string{flag, fmt.Sprint(v)}
	}
	text, _ := json.Marshal(a.Value) // the checks' own maps and lists
	return []string{flag, quote(string(text))}
}

// kebab makes health-check-path of HealthCheckPath, as the aws CLI does.
func kebab(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		starts := unicode.IsUpper(r) && i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) ||
			i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1]))
		if starts {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// quote makes text one word of a shell.
func quote(text string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_./:=,@%+", r)
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
