package policy_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/policy/document"
)

var worlds = flag.Int("worlds", 5_000, "how many random policies and calls to compare with the oracle")

// TestOracle compares Decide with the oracle on random policies and calls.
// `go test -worlds 100000 -run TestOracle ./internal/policy` plays more.
func TestOracle(t *testing.T) {
	t.Parallel()
	outcomes := map[string]int{}
	for seed := range uint64(*worlds) {
		w := dice{rand.New(rand.NewPCG(seed, 1))}.world()
		want := w.says()
		outcomes[want]++
		d := policy.Decide(w.call(), w.policies(t))
		got := "allowed"
		if !d.Allowed() {
			got = d.Effect.String() + " by " + d.Kind.String()
		}
		if got != want {
			t.Fatalf("seed %d: got %s, want %s (%v)\n%+v", seed, got, want, d.By, w)
		}
	}
	for _, outcome := range []string{
		"allowed", "explicitDeny by identity-based policy", "explicitDeny by permissions boundary", "explicitDeny by session policy", "explicitDeny by resource-based policy",
		"explicitDeny by role trust policy", "implicitDeny by identity-based policy", "implicitDeny by permissions boundary", "implicitDeny by session policy",
		"implicitDeny by resource-based policy", "implicitDeny by role trust policy",
	} {
		if n := outcomes[outcome]; n < *worlds/500 {
			t.Errorf("%s came out %d times of %d: the worlds are too much alike", outcome, n, *worlds)
		}
	}
}

func (w world) call() policy.Call {
	c := policy.Call{Caller: w.caller, Action: w.action, Resource: w.resource, Owner: w.owner}
	for k, v := range w.one {
		c.Keys.Set(k, v)
	}
	for k, v := range w.many {
		c.Keys.SetMany(k, v...)
	}
	return c
}

func (w world) policies(t *testing.T) policy.Policies {
	compile := func(text string) *policy.Policy {
		if text == "" {
			return nil
		}
		d, err := document.Parse(text)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		p, err := policy.Compile(policy.Name{}, d, nil)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return p
	}
	p := policy.Policies{Boundary: compile(w.boundary), Resource: compile(w.own)}
	for _, text := range w.identity {
		p.Identity = append(p.Identity, compile(text))
	}
	if w.hasSession {
		p.Session = []*policy.Policy{}
	}
	for _, text := range w.session {
		p.Session = append(p.Session, compile(text))
	}
	switch {
	case w.trust:
		p.Own = policy.TrustOwn
	case w.key:
		p.Own = policy.KeyOwn
	}
	return p
}

// dice make worlds of few names, so that things meet.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

// some returns one to three of a list.
func (d dice) some(list ...string) any {
	if d.IntN(2) == 0 {
		return pick(d, list...)
	}
	var out []string
	for range 1 + d.IntN(3) {
		out = append(out, pick(d, list...))
	}
	return out
}

func (d dice) one(n int) bool { return d.IntN(n) == 0 }

const (
	home  = "123456789012"
	adas  = "arn:aws:iam::123456789012:user/eng/ada"
	webs  = "arn:aws:iam::123456789012:role/web"
	oneS  = "arn:aws:sts::123456789012:assumed-role/web/one"
	eves  = "arn:aws:sts::123456789012:federated-user/eve"
	bobs  = "arn:aws:iam::210987654321:user/bob"
	oidcs = "arn:aws:iam::123456789012:oidc-provider/x"
)

var callers = []policy.Principal{
	{Type: policy.User, Account: home, ARN: adas, Entity: adas, EntityID: "AIDA", UserID: "AIDA"},
	{Type: policy.User, Account: home, ARN: adas, Entity: adas, EntityID: "AIDA", UserID: "AIDA"},
	{Type: policy.RoleSession, Account: home, ARN: oneS, Entity: webs, EntityID: "AROA", UserID: "AROA:one"},
	{Type: policy.RoleSession, Account: home, ARN: oneS, Entity: webs, EntityID: "AROA", UserID: "AROA:one"},
	{Type: policy.FederatedUser, Account: home, ARN: eves, Entity: adas, EntityID: "AIDA", UserID: home + ":eve"},
	{Type: policy.Root, Account: home, ARN: "arn:aws:iam::123456789012:root", UserID: home},
	{Type: policy.User, Account: "210987654321", ARN: bobs, Entity: bobs, EntityID: "AIDB", UserID: "AIDB"},
	{Type: policy.Service, ARN: "ecs-tasks.amazonaws.com"},
	{Type: policy.WebIdentity, ARN: oidcs},
	{Type: policy.Anonymous},
}

func (d dice) world() world {
	w := world{
		caller: pick(d, callers...),
		action: pick(d, "s3:GetObject", "s3:getobject", "s3:PutObject", "ecs:RunTask"),
		resource: pick(d, "*", "arn:aws:s3:::b/ada/x", "arn:aws:s3:::b/*/x", "arn:aws:s3:::B/a:b", "arn:aws:ecs:us-west-2:123456789012:cluster/web",
			"arn:aws:logs:us-west-2:123456789012:log-group:g:log-stream:s"),
		owner: pick(d, "", home, home, home, "210987654321"),
		one:   map[string]string{}, many: map[string][]string{},
	}
	for key, values := range singleKeys {
		if !d.one(3) {
			w.one[key] = pick(d, values...)
		}
	}
	if !d.one(3) {
		w.many["aws:TagKeys"] = pick(d, nil, []string{"ada"}, []string{"ada", "x*"}, []string{"b", "c"})
	}
	for range d.IntN(3) {
		w.identity = append(w.identity, d.policy(false))
	}
	if d.one(3) {
		w.boundary = d.policy(false)
	}
	if w.hasSession = d.one(3); w.hasSession {
		for range d.IntN(3) {
			w.session = append(w.session, d.policy(false))
		}
	}
	if d.one(2) {
		w.own = d.policy(true)
	}
	w.trust, w.key = d.one(5), d.one(5)
	return w
}

func (d dice) policy(own bool) string {
	var statements []object
	for range 1 + d.IntN(2) {
		statements = append(statements, d.statement(own))
	}
	text, err := json.Marshal(object{"Version": pick(d, "2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"), "Statement": statements})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (d dice) statement(own bool) object {
	s := object{
		"Effect": pick(d, "Allow", "Allow", "Allow", "Allow", "Deny"),
		pick(d, "Action", "Action", "Action", "NotAction"): d.some("*", "s3:*", "S3:Get*", "s3:GetObject", "s3:?utObject", "*:RunTask", "e?s:*", "ecs:*Task"),
	}
	if !own || !d.one(3) {
		s[pick(d, "Resource", "Resource", "Resource", "NotResource")] = d.some("*", "*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/${aws:username}/*", "ARN:aws:S3:::b/ada/?", "arn:aws:s3",
			"arn:aws:ecs:*", "arn:aws:s3:::b/${*}/x", "arn:aws:logs:*:*:log-group:g*s", "arn:*:b", "arn:aws:l*gs:us-*:1?3456789012:*", "arn:aws:l*2:123456789012:log-group:g:log-stream:s", "arn:aws:ecs?us-west-2:123456789012:*", "arn:aws:s3:::${aws:userid, 'b'}/*", "arn:aws:ecs:us-west-2:123456789012:cluster/*")
	}
	if own {
		element := "Principal"
		if s["Effect"] == "Deny" && d.one(2) {
			element = "NotPrincipal"
		}
		s[element] = d.principal()
	}
	if d.one(2) {
		condition := object{}
		for range 1 + d.IntN(2) {
			d.condition(condition)
		}
		s["Condition"] = condition
	}
	return s
}

func (d dice) principal() any {
	if d.one(5) {
		return "*"
	}
	p := object{}
	var list []string
	for range 1 + d.IntN(4) {
		list = append(list, pick(d, "*", home, "arn:aws:iam::123456789012:root", adas, adas, webs, webs, oneS, oneS, eves, bobs, "AIDA", "AROA", "AROA:one", "210987654321"))
	}
	p["AWS"] = list
	if d.one(2) {
		p["Service"] = d.some("ecs.amazonaws.com", "ecs-tasks.amazonaws.com")
	}
	if d.one(2) {
		p["Federated"] = d.some(oidcs, "accounts.google.com")
	}
	return p
}

// singleKeys are keys with what a call may have of them.
var singleKeys = map[string][]string{
	"aws:username":         {"ada", "x*", "Ada"},
	"aws:PrincipalTag/dep": {"a?b", "ada", ""},
	"aws:PrincipalArn":     {adas, webs},
	"aws:SourceArn":        {"arn:aws:sns:us-west-2:1:t:u", "x"},
	"aws:SourceIp":         {"10.1.2.3", "192.168.0.1", "2001:db8::1"},
	"aws:CurrentTime":      {"2026-11-29T12:00:00Z", "1700000000"},
	"s3:max-keys":          {"10", "10.5", "x"},
	"aws:SecureTransport":  {"true", "false"},
	"x:blob":               {"YWJj", "YWJk", "?"},
}

// family is operators, with keys and values that fit them.
type family struct {
	operators, keys []string
	values          []string
}

var families = []family{
	{
		[]string{"StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"},
		[]string{"aws:username", "AWS:USERNAME", "aws:PrincipalTag/dep", "aws:PrincipalTag/DEP", "aws:TagKeys", "aws:none", "aws:PrincipalArn"},
		[]string{"ada", "a*", "x*", "?*?", "ADA", "${aws:username}", "${aws:PrincipalTag/dep, 'ada'}", "${aws:none}", "a${?}b", "", "*", "${aws:TagKeys}", "x${*}"},
	},
	{
		[]string{"ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike"},
		[]string{"aws:SourceArn", "aws:PrincipalArn", "aws:none"},
		[]string{"arn:aws:sns:*:1:*", "arn:aws:*:u", "*", "arn:aws:iam::123456789012:user/eng/${aws:username}", webs, "arn:aws:sns:us-west-?:1:t:u"},
	},
	{[]string{"NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals"}, []string{"s3:max-keys", "aws:none"}, []string{"10", "10.0", "10.5", "-1", "11"}},
	{[]string{"DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"}, []string{"aws:CurrentTime", "aws:none"}, []string{"2026-11-29T12:00:00Z", "2023-11-14T22:13:20Z", "1700000000", "1800000000"}},
	{[]string{"IpAddress", "NotIpAddress"}, []string{"aws:SourceIp", "aws:none"}, []string{"10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "0.0.0.0/0", "192.168.0.0/31"}},
	{[]string{"Bool"}, []string{"aws:SecureTransport", "aws:none"}, []string{"true", "false", "TRUE"}},
	{[]string{"BinaryEquals"}, []string{"x:blob", "aws:none"}, []string{"YWJj", "YWJk"}},
}

func (d dice) condition(into object) {
	if d.one(8) {
		into["Null"] = object{pick(d, "aws:username", "aws:TagKeys", "aws:none"): pick(d, "true", "false")}
		return
	}
	f := pick(d, families...)
	operator := pick(d, "", "", "", "ForAllValues:", "ForAnyValue:") + pick(d, f.operators...) + pick(d, "", "", "IfExists")
	into[operator] = object{pick(d, f.keys...): d.some(f.values...)}
}

func (w world) String() string {
	return fmt.Sprintf("%+v %s on %s of %q\nkeys %q %q\nidentity %s\nboundary %s\nsession %t %s\nown %s (trust %t, key %t)", w.caller, w.action, w.resource, w.owner, w.one, w.many, w.identity, w.boundary, w.hasSession, w.session, w.own, w.trust, w.key)
}
