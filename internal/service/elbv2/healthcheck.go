package elbv2

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// checkInput is what CreateTargetGroup and ModifyTargetGroup say of health
// checks; what is nil, or an empty string, stays: Terraform sends the latter.
type checkInput struct {
	enabled            *bool
	protocol           types.ProtocolEnum
	path, port         *string
	interval, timeout  *int32
	healthy, unhealthy *int32
	matcher            *types.Matcher
}

func (c *HealthCheck) change(in checkInput) error {
	if in.enabled != nil && !*in.enabled {
		return invalid("Health check enabled must be true for target groups with target type 'ip'")
	}
	if in.protocol != "" && in.protocol != types.ProtocolEnumHttp {
		return misconfigured("The value '%s' of parameter 'HealthCheckProtocol' is not supported by Skylift: only 'HTTP' is", in.protocol)
	}
	c.Path, c.Port = cmp.Or(deref(in.path), c.Path), cmp.Or(deref(in.port), c.Port)
	c.Interval, c.Timeout = or(in.interval, c.Interval), or(in.timeout, c.Timeout)
	c.Healthy, c.Unhealthy = or(in.healthy, c.Healthy), or(in.unhealthy, c.Unhealthy)
	if in.matcher != nil {
		c.Matcher = cmp.Or(deref(in.matcher.HttpCode), c.Matcher)
	}
	return c.valid()
}

func (c HealthCheck) valid() error {
	switch {
	case !strings.HasPrefix(c.Path, "/"):
		return invalid("Health check path '%s' must begin with a '/' character", c.Path)
	case len(c.Path) > 1024:
		return invalid("Health check path cannot be longer than '1024' characters")
	case strings.ContainsAny(c.Path, " \t\r\n#"):
		return invalid("Health check path '%s' contains invalid characters", c.Path)
	case c.Port != "traffic-port" && !between(1, 65535)(c.Port):
		return invalid("Health check port '%s' must be 'traffic-port' or a port number between '1' and '65535'", c.Port)
	case c.Timeout >= c.Interval:
		return invalid("Health check interval '%d' must be greater than the timeout '%d'", c.Interval, c.Timeout)
	}
	return checkMatcher(c.Matcher)
}

// checkMatcher checks status codes in the form 200,202 or 200-299, or both.
func checkMatcher(m string) error {
	for part := range strings.SplitSeq(m, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, errLo := strconv.Atoi(from)
		hi, errHi := strconv.Atoi(to)
		if errLo != nil || errHi != nil || lo > hi {
			return invalid("Health check matcher HTTP code '%s' is not valid: use a code ('200'), a list ('200,202') or a range ('200-299')", m)
		}
		if lo < 200 || hi > 499 {
			return invalid("Health check matcher HTTP code '%s' must be within '200-499' inclusive", part)
		}
	}
	return nil
}
