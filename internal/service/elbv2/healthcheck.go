package elbv2

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
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

// createdCheck and modifiedCheck are what a request says of health checks.
func createdCheck(in *elb.CreateTargetGroupInput) checkInput {
	return checkInput{
		in.HealthCheckEnabled, in.HealthCheckProtocol, in.HealthCheckPath, in.HealthCheckPort, in.HealthCheckIntervalSeconds,
		in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount, in.UnhealthyThresholdCount, in.Matcher,
	}
}

func modifiedCheck(in *elb.ModifyTargetGroupInput) checkInput {
	return checkInput{
		in.HealthCheckEnabled, in.HealthCheckProtocol, in.HealthCheckPath, in.HealthCheckPort, in.HealthCheckIntervalSeconds,
		in.HealthCheckTimeoutSeconds, in.HealthyThresholdCount, in.UnhealthyThresholdCount, in.Matcher,
	}
}

// newCheck is how a new group's targets are checked.
func newCheck() HealthCheck {
	return HealthCheck{Path: "/", Port: "traffic-port", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2, Matcher: "200"}
}

// faults is what is wrong with in whatever it changes.
func (in checkInput) faults() awserr.Faults {
	c := newCheck()
	c.Interval, c.Timeout = math.MaxInt32, 0 // one alone may go with what is there
	return c.change(in)
}

func (c *HealthCheck) change(in checkInput) (f awserr.Faults) {
	if in.enabled != nil && !*in.enabled {
		f.Add(invalid("Health check enabled must be true for target groups with target type 'ip'"))
	}
	if in.protocol != "" && in.protocol != types.ProtocolEnumHttp {
		f.Add(misconfigured("The value '%s' of parameter 'HealthCheckProtocol' is not supported by Skylift: only 'HTTP' is", in.protocol))
	}
	c.Path, c.Port = cmp.Or(deref(in.path), c.Path), cmp.Or(deref(in.port), c.Port)
	c.Interval, c.Timeout = or(in.interval, c.Interval), or(in.timeout, c.Timeout)
	c.Healthy, c.Unhealthy = or(in.healthy, c.Healthy), or(in.unhealthy, c.Unhealthy)
	if in.matcher != nil {
		c.Matcher = cmp.Or(deref(in.matcher.HttpCode), c.Matcher)
	}
	f.Add(c.faults()...)
	return f
}

func (c *HealthCheck) faults() (f awserr.Faults) {
	switch {
	case !strings.HasPrefix(c.Path, "/"):
		f.Add(invalid("Health check path '%s' must begin with a '/' character", c.Path))
	case len(c.Path) > 1024:
		f.Add(invalid("Health check path cannot be longer than '1024' characters"))
	case strings.ContainsAny(c.Path, " \t\r\n#"):
		f.Add(invalid("Health check path '%s' contains invalid characters", c.Path))
	}
	if c.Port != "traffic-port" && !between(1, 65535)(c.Port) {
		f.Add(invalid("Health check port '%s' must be 'traffic-port' or a port number between '1' and '65535'", c.Port))
	}
	if c.Timeout >= c.Interval {
		f.Add(invalid("Health check interval '%d' must be greater than the timeout '%d'", c.Interval, c.Timeout))
	}
	f.Add(checkMatcher(c.Matcher))
	return f
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
