package rules

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
)

// Quotas of rules
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html).
const (
	maxConditionValues    = 5 // of a rule
	maxConditionWildcards = 6 // of a rule
	maxConditionLength    = 128
	maxHeaderName         = 40
)

// The fields of a request that conditions look at.
const (
	hostHeader    = "host-header"
	pathPattern   = "path-pattern"
	httpHeader    = "http-header"
	requestMethod = "http-request-method"
	queryString   = "query-string"
	sourceIP      = "source-ip"
)

var fields = []string{pathPattern, hostHeader, httpHeader, requestMethod, queryString, sourceIP}

var (
	hostChars   = regexp.MustCompile(`^[A-Za-z0-9_.*?-]+$`)
	hostEnd     = regexp.MustCompile(`\.[A-Za-z]+$`)
	pathChars   = regexp.MustCompile(`^[A-Za-z0-9_.$/~"'@:+&*?-]+$`)
	methodChars = regexp.MustCompile(`^[A-Z_-]+$`)
	nameChars   = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")
	textChars   = regexp.MustCompile(`^[ -~]+$`)
)

// readConditions reads conditions in either form: with Values and RegexValues, or
// with the config of their field. They are good when there are no faults.
func readConditions(in []types.RuleCondition) (out []elbv2.Condition, f awserr.Faults) {
	if len(in) == 0 {
		f.Add(request.Invalid("A rule must have at least one condition"))
	}
	values, wildcards := 0, 0
	for _, c := range in {
		cond, wrong := readCondition(c)
		f.Add(wrong...)
		once := cond.Field != httpHeader && cond.Field != queryString && cond.Field != ""
		if once && slices.ContainsFunc(out, func(o elbv2.Condition) bool { return o.Field == cond.Field }) {
			f.Add(request.Invalid("A rule can only have one '%s' condition", cond.Field))
		}
		out = append(out, cond)
		values += len(cond.Values) + len(cond.Regex) + len(cond.Pairs)
		wildcards += wildcardsOf(cond)
	}
	if values > maxConditionValues {
		f.Add(request.Invalid("A rule can only have '%d' condition values", maxConditionValues))
	}
	if wildcards > maxConditionWildcards {
		f.Add(request.Invalid("A rule can only have '%d' condition wildcards", maxConditionWildcards))
	}
	return out, f
}

// escaped are wildcards that stand for themselves in a query.
var escaped = strings.NewReplacer(`\*`, "", `\?`, "")

func wildcardsOf(c elbv2.Condition) (n int) {
	for _, v := range c.Values {
		n += strings.Count(v, "*") + strings.Count(v, "?")
	}
	for _, p := range c.Pairs {
		text := escaped.Replace(aws.ToString(p.Key) + "=" + p.Value)
		n += strings.Count(text, "*") + strings.Count(text, "?")
	}
	return n
}

// readCondition reads one condition.
func readCondition(in types.RuleCondition) (c elbv2.Condition, f awserr.Faults) {
	field := aws.ToString(in.Field)
	if field == "" {
		f.Add(request.Invalid("A condition must have a field"))
		return c, f
	}
	if !slices.Contains(fields, field) {
		f.Add(request.Invalid("Condition field '%s' must be one of '[%s]'", field, strings.Join(fields, ",")))
		return c, f
	}
	c, own, others := fromConfig(in, field)
	if others {
		f.Add(request.Invalid("Only '%s' can be specified for a condition of type '%s'", own, field))
	}
	f.Add(takeValues(&c, in, own)...)
	if len(c.Values)+len(c.Regex)+len(c.Pairs) == 0 {
		f.Add(request.Invalid("A condition value must be specified"))
	}
	f.Add(conditionFaults(c)...)
	return c, f
}

// fromConfig reads what the config of a field says. own is that config's name;
// others tells whether there are configs of other fields.
func fromConfig(in types.RuleCondition, field string) (c elbv2.Condition, own string, others bool) {
	given := map[string]bool{
		hostHeader: in.HostHeaderConfig != nil, pathPattern: in.PathPatternConfig != nil, httpHeader: in.HttpHeaderConfig != nil,
		requestMethod: in.HttpRequestMethodConfig != nil, queryString: in.QueryStringConfig != nil, sourceIP: in.SourceIpConfig != nil,
	}
	for f, is := range given {
		others = others || is && f != field
	}
	own = map[string]string{
		hostHeader: "HostHeaderConfig", pathPattern: "PathPatternConfig", httpHeader: "HttpHeaderConfig",
		requestMethod: "HttpRequestMethodConfig", queryString: "QueryStringConfig", sourceIP: "SourceIpConfig",
	}[field]
	c.Field = field
	if !given[field] {
		return c, own, others
	}
	switch field {
	case hostHeader:
		c.Values, c.Regex = in.HostHeaderConfig.Values, in.HostHeaderConfig.RegexValues
	case pathPattern:
		c.Values, c.Regex = in.PathPatternConfig.Values, in.PathPatternConfig.RegexValues
	case httpHeader:
		h := in.HttpHeaderConfig
		c.Header, c.Values, c.Regex = aws.ToString(h.HttpHeaderName), h.Values, h.RegexValues
	case requestMethod:
		c.Values = in.HttpRequestMethodConfig.Values
	case queryString:
		for _, p := range in.QueryStringConfig.Values {
			c.Pairs = append(c.Pairs, elbv2.Pair{Key: p.Key, Value: aws.ToString(p.Value)})
		}
	case sourceIP:
		c.Values = in.SourceIpConfig.Values
	}
	return c, own, others
}

// takeValues reads Values and RegexValues beside the configs.
func takeValues(c *elbv2.Condition, in types.RuleCondition, own string) (f awserr.Faults) {
	if len(in.Values) > 0 && c.Field != hostHeader && c.Field != pathPattern {
		f.Add(foreign("Conditions", "Values", "Field", c.Field))
		return f
	}
	if len(in.RegexValues) > 0 && c.Field != hostHeader && c.Field != pathPattern && c.Field != httpHeader {
		f.Add(foreign("Conditions", "RegexValues", "Field", c.Field))
		return f
	}
	if len(in.Values) > 0 && len(c.Values) > 0 {
		f.Add(request.Invalid("You cannot provide both Values and '%s' for a condition of type '%s'", own, c.Field))
	}
	if len(in.RegexValues) > 0 && len(c.Regex) > 0 {
		f.Add(request.Invalid("You cannot provide both RegexValues and '%s' for a condition of type '%s'", own, c.Field))
	}
	if len(in.Values) > 0 {
		c.Values = in.Values
	}
	if len(in.RegexValues) > 0 {
		c.Regex = in.RegexValues
	}
	return f
}

// conditionFaults returns the faults of a condition's values.
func conditionFaults(c elbv2.Condition) (f awserr.Faults) {
	if c.Field == httpHeader {
		f.Add(headerFault(c.Header))
	}
	for _, v := range c.Values {
		f.Add(valueFault(c.Field, v))
	}
	for _, v := range c.Regex {
		f.Add(lengthFault(c.Field, v))
		if err := regexFault(v); err != nil {
			f.Add(request.Invalid("The regular expression '%s' of a '%s' condition is not valid: %s", v, c.Field, err))
		}
	}
	for _, p := range c.Pairs {
		if p.Value == "" {
			f.Add(request.Invalid("A 'Value' must be specified in 'QueryStringKeyValuePair'"))
			continue
		}
		f.Add(valueFault(queryString, p.Value))
		if key := aws.ToString(p.Key); key != "" {
			f.Add(valueFault(queryString, key))
		}
	}
	return f
}

func headerFault(name string) error {
	switch {
	case name == "":
		return request.Invalid("A 'HttpHeaderName' must be specified in 'HttpHeaderConfig'")
	case len(name) > maxHeaderName:
		return request.Invalid("The 'HttpHeaderName' value is too long; the limit is '%d'", maxHeaderName)
	case !nameChars.MatchString(name):
		return request.Invalid("The 'HttpHeaderName' value '%s' is invalid: it can only have characters of HTTP header names, and no wildcards", name)
	case strings.EqualFold(name, "host"):
		return request.Invalid("The 'HttpHeaderName' value 'Host' is invalid; use a 'host-header' condition")
	}
	return nil
}

func lengthFault(field, v string) error {
	limit := maxConditionLength
	if field == requestMethod {
		limit = maxHeaderName
	}
	if len(v) > limit {
		return request.Invalid("The '%s' value is too long; the limit is '%d'", field, limit)
	}
	return nil
}

// valueFault says what is wrong with a value of a condition; nil if nothing is.
func valueFault(field, v string) error {
	if err := lengthFault(field, v); err != nil {
		return err
	}
	chars := map[string]*regexp.Regexp{hostHeader: hostChars, pathPattern: pathChars, requestMethod: methodChars}[field]
	if chars == nil {
		chars = textChars
	}
	switch {
	case v == "":
		return request.Invalid("A condition value must be specified")
	case field == sourceIP:
		return sourceFault(v)
	case field == requestMethod && !chars.MatchString(v):
		return request.Invalid("The 'http-request-method' value is invalid; the allowed characters are A-Z, hyphen (-), and underscore (_), not '%s'", v)
	case !chars.MatchString(v):
		return request.Invalid("The value '%s' of a '%s' condition can only have such characters as AWS allows there", v, field)
	case field == hostHeader && !hostEnd.MatchString(v):
		return request.Invalid("The value '%s' of a 'host-header' condition must be a valid hostname: one with a '.', and only letters after the last", v)
	}
	return nil
}

func sourceFault(v string) error {
	p, err := netip.ParsePrefix(v)
	if err != nil || p.Addr().Is4In6() {
		return request.Invalid("The value '%s' of a 'source-ip' condition must be a CIDR block, such as '192.0.2.0/24' or '2001:db8::/32'", v)
	}
	if v == "255.255.255.255/32" {
		return request.Invalid("The value '%s' of a 'source-ip' condition cannot be used", v)
	}
	return nil
}

// wireCondition is c as AWS returns it: host-header and path-pattern in both forms.
func wireCondition(c elbv2.Condition) types.RuleCondition {
	out := types.RuleCondition{Field: new(c.Field)}
	switch c.Field {
	case hostHeader:
		out.Values, out.RegexValues = c.Values, c.Regex
		out.HostHeaderConfig = &types.HostHeaderConditionConfig{Values: c.Values, RegexValues: c.Regex}
	case pathPattern:
		out.Values, out.RegexValues = c.Values, c.Regex
		out.PathPatternConfig = &types.PathPatternConditionConfig{Values: c.Values, RegexValues: c.Regex}
	case httpHeader:
		out.HttpHeaderConfig = &types.HttpHeaderConditionConfig{HttpHeaderName: new(c.Header), Values: c.Values, RegexValues: c.Regex}
	case requestMethod:
		out.HttpRequestMethodConfig = &types.HttpRequestMethodConditionConfig{Values: c.Values}
	case queryString:
		out.QueryStringConfig = &types.QueryStringConditionConfig{}
		for _, p := range c.Pairs {
			out.QueryStringConfig.Values = append(out.QueryStringConfig.Values, types.QueryStringKeyValuePair{Key: p.Key, Value: new(p.Value)})
		}
	case sourceIP:
		out.SourceIpConfig = &types.SourceIpConditionConfig{Values: c.Values}
	}
	return out
}
