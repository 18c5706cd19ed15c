package policy_test

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/policy"
)

// The oracle decides about calls as the documentation tells it, slowly, from
// the JSON itself. It shares no code with what it is compared to.

type object = map[string]any

// world is a call and its policies as texts.
type world struct {
	caller                  policy.Principal
	action, resource, owner string
	one                     map[string]string
	many                    map[string][]string
	identity, session       []string
	hasSession              bool
	boundary, own           string // "" is none
	trust, key              bool
}

// says is what the oracle found: "allowed", or a kind of denial and its type of policy.
func (w world) says() string {
	identityDeny, identityAllow := w.anyOf(w.identity)
	boundaryDeny, boundaryAllow := w.anyOf([]string{w.boundary})
	sessionDeny, sessionAllow := w.anyOf(w.session)
	ownDeny, ownAllow := w.anyOf([]string{w.own})
	ownName := "resource-based policy"
	if w.trust {
		ownName = "role trust policy"
	}
	for _, d := range []struct {
		denies int
		name   string
	}{{identityDeny, "identity-based policy"}, {boundaryDeny, "permissions boundary"}, {sessionDeny, "session policy"}, {ownDeny, ownName}} {
		if d.denies > 0 {
			return "explicitDeny by " + d.name
		}
	}
	person := w.caller.Type == policy.Root || w.caller.Type == policy.User || w.caller.Type == policy.RoleSession || w.caller.Type == policy.FederatedUser
	foreign := w.owner != "" && w.owner != w.caller.Account
	if !person {
		if ownAllow > 0 && (!w.trust || w.caller.Type != policy.Anonymous) {
			return "allowed"
		}
		return "implicitDeny by " + ownName
	}
	if ownAllow == 0 && (w.trust || w.key || foreign) {
		return "implicitDeny by " + ownName
	}
	if ownAllow == 3 && !foreign {
		return "allowed"
	}
	mine := identityAllow > 0 || w.caller.Type == policy.Root
	if !mine && !(ownAllow >= 2 && !foreign) {
		return "implicitDeny by identity-based policy"
	}
	if w.boundary != "" && boundaryAllow == 0 {
		return "implicitDeny by permissions boundary"
	}
	if w.hasSession && sessionAllow == 0 {
		return "implicitDeny by session policy"
	}
	return "allowed"
}

// anyOf returns the most that statements of texts deny and allow: 0 nothing, 1 to
// the account, 2 to the entity, 3 to the caller.
func (w world) anyOf(texts []string) (deny, allow int) {
	for _, text := range texts {
		if text == "" {
			continue
		}
		var doc object
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			panic(err)
		}
		for _, s := range listOf(doc["Statement"]) {
			statement := s.(object)
			n := w.statement(statement, doc["Version"] == "2012-10-17")
			if statement["Effect"] == "Deny" {
				deny = max(deny, n)
			} else {
				allow = max(allow, n)
			}
		}
	}
	return deny, allow
}

func listOf(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	if v == nil {
		return nil
	}
	return []any{v}
}

func text(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return v.(string)
}

func (w world) statement(s object, vars bool) int {
	acts := func(list any) bool {
		return slices.ContainsFunc(listOf(list), func(a any) bool {
			return glob(strings.ToLower(text(a)), strings.ToLower(w.action))
		})
	}
	if s["Action"] != nil && !acts(s["Action"]) || s["NotAction"] != nil && acts(s["NotAction"]) {
		return 0
	}
	on := func(list any) bool {
		return slices.ContainsFunc(listOf(list), func(r any) bool { return w.resourceFits(text(r), vars) })
	}
	if s["Resource"] != nil && !on(s["Resource"]) || s["NotResource"] != nil && on(s["NotResource"]) {
		return 0
	}
	for operator, keys := range asObject(s["Condition"]) {
		for key, values := range keys.(object) {
			if !w.condition(operator, key, listOf(values), vars) {
				return 0
			}
		}
	}
	switch {
	case s["NotPrincipal"] != nil:
		if s["Effect"] == "Allow" || w.boundary == "" && w.spared(s["NotPrincipal"]) {
			return 0
		}
		return 3
	case s["Principal"] != nil:
		return w.named(s["Principal"], s)
	}
	return 3
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

// names returns what a principal element says of the type.
func names(v any, kind string) (list []string) {
	if v == "*" && kind == "AWS" {
		return []string{"*"}
	}
	for _, n := range listOf(asObject(v)[kind]) {
		list = append(list, text(n))
	}
	return list
}

func (w world) named(v any, s object) int {
	c := w.caller
	has := func(kind, name string) bool { return name != "" && slices.Contains(names(v, kind), name) }
	mentionsARN := false
	for _, keys := range asObject(s["Condition"]) {
		for key := range keys.(object) {
			mentionsARN = mentionsARN || strings.EqualFold(key, "aws:principalarn")
		}
	}
	best := 0
	add := func(is bool, n int) {
		if is {
			best = max(best, n)
		}
	}
	inAccount := has("AWS", c.Account) || has("AWS", "arn:aws:iam::"+c.Account+":root")
	byEntity := has("AWS", c.Entity) || has("AWS", c.EntityID)
	switch c.Type {
	case policy.Anonymous:
		add(has("AWS", "*"), 3)
	case policy.Service:
		add(has("AWS", "*") || has("Service", c.ARN), 3)
	case policy.WebIdentity:
		add(has("AWS", "*") || has("Federated", c.ARN), 3)
	case policy.Root:
		add(inAccount, 1)
	case policy.User:
		add(inAccount, 1)
		add(byEntity, 3)
	case policy.RoleSession, policy.FederatedUser:
		add(inAccount, 1)
		add(byEntity, 2)
		add(has("AWS", c.ARN) || has("AWS", c.UserID), 3)
	}
	if w.trust {
		add(has("AWS", "*"), 1)
	} else {
		add(has("AWS", "*"), 2)
		add(has("AWS", "*") && mentionsARN, 3)
	}
	return best
}

func (w world) spared(v any) bool {
	c := w.caller
	has := func(kind, name string) bool { return name != "" && slices.Contains(names(v, kind), name) }
	inAccount := has("AWS", c.Account) || has("AWS", "arn:aws:iam::"+c.Account+":root")
	byEntity := has("AWS", c.Entity) || has("AWS", c.EntityID)
	if has("AWS", "*") {
		return true
	}
	switch c.Type {
	case policy.Service:
		return has("Service", c.ARN)
	case policy.WebIdentity:
		return has("Federated", c.ARN)
	case policy.Root:
		return inAccount
	case policy.User:
		return inAccount && byEntity
	case policy.RoleSession, policy.FederatedUser:
		return inAccount && byEntity && (has("AWS", c.ARN) || has("AWS", c.UserID))
	}
	return false
}

// Characters that stand for a literal wildcard once variables are put in.
const hidden = "\x01\x02\x03"

func hide(s string) string {
	return strings.NewReplacer("*", hidden[:1], "?", hidden[1:2], "$", hidden[2:3]).Replace(s)
}

func show(s string) string {
	return strings.NewReplacer(hidden[:1], "*", hidden[1:2], "?", hidden[2:3], "$").Replace(s)
}

var variable = regexp.MustCompile(`\$\{(\*|\?|\$|[^{}$', ]+?)(?:, *'([^']*)')?\}`)

// fill puts the values of variables in, with their wildcards hidden.
func (w world) fill(s string, vars bool) (string, bool) {
	if !vars {
		return s, true
	}
	ok := true
	s = variable.ReplaceAllStringFunc(s, func(v string) string {
		m := variable.FindStringSubmatch(v)
		if strings.Contains("*?$", m[1]) {
			return hide(m[1])
		}
		for key, value := range w.one {
			if strings.EqualFold(key, m[1]) {
				return hide(value)
			}
		}
		if strings.Contains(v, ",") {
			return hide(m[2])
		}
		ok = false
		return ""
	})
	return s, ok
}

// glob matches by trying everything.
func glob(pattern, s string) bool {
	if pattern == "" {
		return s == ""
	}
	p, n := []rune(pattern), []rune(s)
	switch {
	case p[0] == '*':
		return glob(string(p[1:]), s) || len(n) > 0 && glob(pattern, string(n[1:]))
	case len(n) == 0:
		return false
	case p[0] == '?', show(string(p[0])) == string(n[0]):
		return glob(string(p[1:]), string(n[1:]))
	}
	return false
}

func (w world) resourceFits(pattern string, vars bool) bool {
	if pattern == "*" {
		return true
	}
	parts := strings.SplitN(pattern, ":", 6)
	expression := "(?s)^"
	for i, part := range parts {
		if i == 5 {
			filled, ok := w.fill(part, vars)
			if !ok {
				return false
			}
			part = filled
		}
		within := ""
		for j, r := range part {
			last := j == len(part)-1 || i == 5
			switch {
			case r == '*' && last:
				within += ".*"
			case r == '*':
				within += "[^:]*"
			case r == '?' && i < 5:
				within += "[^:]"
			case r == '?':
				within += "."
			default:
				within += regexp.QuoteMeta(show(string(r)))
			}
		}
		if i < 5 {
			within = "(?i:" + within + ")"
		}
		if i > 0 {
			expression += ":"
		}
		expression += within
	}
	if len(parts) < 6 && !strings.HasSuffix(pattern, "*") {
		expression += ":.*"
	}
	return regexp.MustCompile(expression + "$").MatchString(w.resource)
}

func (w world) condition(operator, key string, values []any, vars bool) bool {
	var have []string
	multi := false
	for k, v := range w.one {
		if strings.EqualFold(k, key) {
			have = []string{v}
		}
	}
	for k, v := range w.many {
		if strings.EqualFold(k, key) {
			have, multi = v, true
		}
	}
	every, some := strings.HasPrefix(operator, "ForAllValues:"), strings.HasPrefix(operator, "ForAnyValue:")
	operator = strings.TrimPrefix(strings.TrimPrefix(operator, "ForAllValues:"), "ForAnyValue:")
	if operator == "Null" {
		return (text(values[0]) == "true") == (len(have) == 0)
	}
	plain := strings.TrimSuffix(operator, "IfExists")
	if len(have) == 0 && plain != operator {
		return true
	}
	negated := strings.Contains(plain, "Not")
	plain = strings.Replace(plain, "Not", "", 1)
	passes := func(one string) bool {
		return slices.ContainsFunc(values, func(v any) bool { return w.compare(plain, one, text(v), vars) }) != negated
	}
	switch {
	case every:
		return !slices.ContainsFunc(have, func(one string) bool { return !passes(one) })
	case some:
		return slices.ContainsFunc(have, passes)
	case len(have) == 0:
		return negated
	}
	return !multi && passes(have[0])
}

func (w world) compare(operator, have, want string, vars bool) bool {
	filled, ok := w.fill(want, vars)
	switch operator {
	case "StringEquals":
		return ok && have == show(filled)
	case "StringEqualsIgnoreCase", "Bool":
		return ok && strings.EqualFold(have, show(filled))
	case "StringLike":
		return ok && glob(filled, have)
	case "ArnEquals", "ArnLike":
		h, p := strings.SplitN(have, ":", 6), strings.SplitN(filled, ":", 6)
		if !ok || len(h) != 6 || len(p) != 6 {
			return false
		}
		for i := range h {
			if !glob(p[i], h[i]) {
				return false
			}
		}
		return true
	case "BinaryEquals":
		a, err1 := base64.StdEncoding.DecodeString(have)
		b, err2 := base64.StdEncoding.DecodeString(want)
		return err1 == nil && err2 == nil && string(a) == string(b)
	case "IpAddress":
		if !strings.Contains(want, "/") {
			return net.ParseIP(have) != nil && net.ParseIP(have).Equal(net.ParseIP(want))
		}
		_, network, err := net.ParseCIDR(want)
		return err == nil && network.Contains(net.ParseIP(have))
	}
	number := func(s string) (float64, bool) { n, err := strconv.ParseFloat(s, 64); return n, err == nil }
	if strings.HasPrefix(operator, "Date") {
		number = func(s string) (float64, bool) {
			if t, err := time.Parse(time.RFC3339, s); err == nil {
				return float64(t.Unix()), true
			}
			n, err := strconv.ParseFloat(s, 64)
			return n, err == nil
		}
	}
	a, ok1 := number(have)
	b, ok2 := number(want)
	if !ok1 || !ok2 {
		return false
	}
	return map[string]bool{"Equals": a == b, "LessThan": a < b, "LessThanEquals": a <= b, "GreaterThan": a > b, "GreaterThanEquals": a >= b}[strings.TrimPrefix(strings.TrimPrefix(operator, "Date"), "Numeric")]
}
