package elbv2

import (
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
)

const (
	hostHeader  = "host-header"
	pathPattern = "path-pattern"

	maxConditionValues    = 5 // of a rule
	maxConditionWildcards = 6 // of a rule
)

var (
	hostChars = regexp.MustCompile(`^[A-Za-z0-9.*?-]{1,128}$`)
	hostEnd   = regexp.MustCompile(`\.[A-Za-z]+$`)
	pathChars = regexp.MustCompile(`^[A-Za-z0-9_.$/~"'@:+&*?-]{1,128}$`)
)

// readConditions reads conditions in either form: with Values, or with the
// config of their field. They are good when there are no faults.
func readConditions(in []types.RuleCondition) (out []Condition, f awserr.Faults) {
	if len(in) == 0 {
		f.Add(invalid("A rule must have at least one condition"))
	}
	values, wildcards := 0, 0
	for _, c := range in {
		cond, wrong := readCondition(c)
		f.Add(wrong...)
		if cond.Field != "" && slices.ContainsFunc(out, func(o Condition) bool { return o.Field == cond.Field }) {
			f.Add(invalid("A rule can only have one '%s' condition", cond.Field))
		}
		out = append(out, cond)
		values += len(cond.Values)
		for _, v := range cond.Values {
			wildcards += strings.Count(v, "*") + strings.Count(v, "?")
		}
	}
	if values > maxConditionValues {
		f.Add(invalid("A rule can only have '%d' condition values", maxConditionValues))
	}
	if wildcards > maxConditionWildcards {
		f.Add(invalid("A rule can only have '%d' condition wildcards", maxConditionWildcards))
	}
	return out, f
}

func readCondition(in types.RuleCondition) (c Condition, f awserr.Faults) {
	c = Condition{Field: deref(in.Field), Values: in.Values}
	var config []string
	var chars *regexp.Regexp
	switch c.Field {
	case hostHeader:
		chars = hostChars
		if in.HostHeaderConfig != nil {
			config = in.HostHeaderConfig.Values
		}
	case pathPattern:
		chars = pathChars
		if in.PathPatternConfig != nil {
			config = in.PathPatternConfig.Values
		}
	case "":
		f.Add(invalid("A condition must have a field"))
		return c, f
	default:
		f.Add(misconfigured("Condition field '%s' is not supported by Skylift: only '%s' and '%s' are", c.Field, hostHeader, pathPattern))
		return c, f
	}
	own := map[string]string{hostHeader: "HostHeaderConfig", pathPattern: "PathPatternConfig"}[c.Field]
	if in.HostHeaderConfig != nil && c.Field != hostHeader || in.PathPatternConfig != nil && c.Field != pathPattern {
		f.Add(foreign("Conditions", "Only "+own, "Field", c.Field))
	}
	if len(c.Values) > 0 && len(config) > 0 {
		f.Add(invalid("You cannot provide both Values and '%s' for a condition of type '%s'", own, c.Field))
	}
	if len(c.Values) == 0 {
		c.Values = config
	}
	if len(c.Values) == 0 {
		f.Add(invalid("A '%s' condition must have values", c.Field))
	}
	for _, v := range c.Values {
		switch {
		case !chars.MatchString(v):
			f.Add(invalid("The value '%s' of a '%s' condition must have '1' to '128' characters, and only such as AWS allows there", v, c.Field))
		case c.Field == hostHeader && !hostEnd.MatchString(v):
			f.Add(invalid("The value '%s' of a 'host-header' condition must be a valid hostname: one with a '.', and only letters after the last", v))
		}
	}
	return c, f
}

// wire is c in both forms, as AWS returns it.
func (c Condition) wire() types.RuleCondition {
	out := types.RuleCondition{Field: new(c.Field), Values: c.Values}
	if c.Field == hostHeader {
		out.HostHeaderConfig = &types.HostHeaderConditionConfig{Values: c.Values}
		return out
	}
	out.PathPatternConfig = &types.PathPatternConditionConfig{Values: c.Values}
	return out
}
