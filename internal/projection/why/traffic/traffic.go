// Package traffic finds why requests don't get to where they are meant to.
package traffic

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/service/elbv2"
)

// Checks are those of this package.
var Checks = []finding.Check{Shadowed, NoRule, Contested, ServerErrors, Uneven, BadCertificate}

// Shadowed finds rules that no request ever gets to.
var Shadowed = finding.Check{
	Number: 31, Name: "rule-shadowed", Title: "A rule is shadowed by another one",
	Shows: "Requests go to another service than the rule says.",
	Known: "The conditions of both rules: all that meets the later one meets the earlier one, too.",
	Mend:  "Give the narrower rule a lower priority number.",
	Find:  shadowed,
}

func shadowed(s *snapshot.Snapshot) (out []finding.Finding) {
	rules := slices.Clone(s.Rule)
	slices.SortFunc(rules, func(a, b elbv2.Rule) int { return int(a.Priority) - int(b.Priority) })
	for i, late := range rules {
		if late.IsDefault() {
			continue
		}
		for _, early := range rules[:i] {
			if early.Listener != late.Listener || early.IsDefault() || !covers(early, late) {
				continue
			}
			l, _ := s.ListenerOf(late)
			b, _ := s.Balancer(late.LoadBalancer)
			out = append(out, finding.Finding{
				Cause: fmt.Sprintf("rule %d of load balancer %s, port %d, is never met: rule %d takes all its requests", late.Priority, b.Name, l.Port, early.Priority),
				Level: finding.Warned, About: []string{snapshot.RuleKey(late.ARN), snapshot.ListenerKey(l.ARN), snapshot.BalancerKey(b.ARN)},
				Evidence: []finding.Evidence{
					{What: fmt.Sprintf("rule %d", early.Priority), Says: told(early)},
					{What: fmt.Sprintf("rule %d", late.Priority), Says: told(late)},
					{What: "a request that shows it", Says: example(late)},
				},
				Mend: []finding.Mend{finding.Do("change their order", finding.NewCall("elbv2", "SetRulePriorities", "RulePriorities", []any{
					map[string]any{"RuleArn": late.ARN, "Priority": early.Priority}, map[string]any{"RuleArn": early.ARN, "Priority": late.Priority},
				}))},
			})
			break
		}
	}
	return out
}

// covers says that what meets late meets early, too. It may miss some, and claims none that isn't.
func covers(early, late elbv2.Rule) bool {
	for _, c := range early.Conditions {
		if len(c.Values) == 0 || len(c.Regex)+len(c.Pairs) > 0 {
			return false
		}
		if !slices.ContainsFunc(late.Conditions, func(o elbv2.Condition) bool { return within(o, c) }) {
			return false
		}
	}
	return true
}

// within says that each value of o is one of c's, or matched by one of its wildcards.
func within(o, c elbv2.Condition) bool {
	if o.Field != c.Field || !strings.EqualFold(o.Header, c.Header) || len(o.Values) == 0 || len(o.Regex)+len(o.Pairs) > 0 {
		return false
	}
	fold := c.Field != "path-pattern"
	for _, v := range o.Values {
		if !slices.ContainsFunc(c.Values, func(pattern string) bool { return wild(pattern, v, fold) }) {
			return false
		}
	}
	return true
}

// wild says that a pattern with * and ? matches all that text, which may have wildcards itself, does.
func wild(pattern, text string, fold bool) bool {
	if fold {
		pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	}
	switch {
	case pattern == "":
		return text == ""
	case pattern[0] == '*':
		return wild(pattern[1:], text, false) || text != "" && wild(pattern, text[1:], false)
	case text == "":
		return false
	case pattern[0] == text[0], pattern[0] == '?' && text[0] != '*':
		return wild(pattern[1:], text[1:], false)
	}
	return false
}

// told says what a rule asks for.
func told(r elbv2.Rule) string {
	var all []string
	for _, c := range r.Conditions {
		all = append(all, strings.TrimSpace(c.Field+" "+c.Header)+" "+strings.Join(append(slices.Clone(c.Values), c.Regex...), " or "))
	}
	return strings.Join(all, " and ")
}

// example is a request that a rule is meant for.
func example(r elbv2.Rule) string {
	host, path := "HOST", "/"
	for _, c := range r.Conditions {
		if len(c.Values) == 0 {
			continue
		}
		text := strings.NewReplacer("*", "x", "?", "x").Replace(c.Values[0])
		switch c.Field {
		case "host-header":
			host = text
		case "path-pattern":
			path = text
		}
	}
	return "GET http://" + host + path
}

// NoRule finds target groups that no request comes to, and balancers without a listener.
var NoRule = finding.Check{
	Number: 32, Name: "no-rule", Title: "No rule sends requests to the service",
	Shows: "Targets are unused with Target.NotInUse, and the site answers 404 or 503, or not at all.",
	Known: "Which target groups the services are in, and which rules and listeners there are.",
	Mend:  "Make a listener or a rule that forwards to the target group.",
	Find:  noRule,
}

func noRule(s *snapshot.Snapshot) (out []finding.Finding) {
	for _, g := range s.TargetGroups {
		services := s.ServicesOn(g.ARN)
		if len(services) == 0 || len(s.RulesTo(g.ARN)) > 0 {
			continue
		}
		f := finding.Finding{
			Cause: fmt.Sprintf("no rule of any load balancer sends requests to target group %s, which service %s is in", g.Name, services[0].Name),
			Level: finding.Limited, Since: g.Created, About: []string{snapshot.PoolKey(g.ARN), snapshot.ServiceKey(services[0].Key())},
			Evidence: []finding.Evidence{{What: "rules", Says: fmt.Sprintf("there are %d rules, and none names %s", len(s.Rule), g.ARN)}},
			Mend:     []finding.Mend{finding.Change("make a rule that forwards to it: aws elbv2 create-rule, or create-listener with a default action")},
		}
		if l, ok := listenerFor(s, services[0].Name, g); ok {
			f.Mend = []finding.Mend{finding.Do("send a host's requests to it", finding.NewCall("elbv2", "CreateRule", "ListenerArn", l.ARN, "Priority", free(s, l),
				"Conditions", []any{map[string]any{"Field": "host-header", "Values": []string{services[0].Name + ".example.com"}}},
				"Actions", []any{map[string]any{"Type": "forward", "TargetGroupArn": g.ARN}}))}
		}
		out = append(out, f)
	}
	for _, b := range s.Balancers {
		if !slices.ContainsFunc(s.Listeners, func(l elbv2.Listener) bool { return l.LoadBalancer == b.ARN }) {
			out = append(out, finding.Finding{
				Cause: fmt.Sprintf("load balancer %s has no listener, so it answers on no port", b.Name), Level: finding.Warned, Since: b.Created,
				About:    []string{snapshot.BalancerKey(b.ARN), snapshot.HostKey(b.DNSName)},
				Evidence: []finding.Evidence{{What: "listeners", Says: "there are none"}},
				Mend:     []finding.Mend{finding.Change("make one: aws elbv2 create-listener --load-balancer-arn " + b.ARN)},
			})
		}
	}
	return out
}

// listenerFor is the listener that a rule for a service is most likely meant for: that of the only balancer, or of the one
// that has the service's name or its target group's. Where there are more, nobody knows.
func listenerFor(s *snapshot.Snapshot, service string, g elbv2.TargetGroup) (elbv2.Listener, bool) {
	for _, l := range s.Listeners {
		b, _ := s.Balancer(l.LoadBalancer)
		if len(s.Balancers) == 1 || b.Name == service || b.Name == g.Name {
			return l, true
		}
	}
	return elbv2.Listener{}, false
}

// free is the lowest priority that no rule of a listener has.
func free(s *snapshot.Snapshot, l elbv2.Listener) int {
	taken := map[int32]bool{}
	for _, r := range s.Rule {
		taken[r.Priority] = taken[r.Priority] || r.Listener == l.ARN
	}
	n := int32(1)
	for taken[n] {
		n++
	}
	return int(n)
}
