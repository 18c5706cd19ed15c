package targets

import (
	"cmp"
	"math"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
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

// createdCheck and modifiedCheck return what a request says of health checks.
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
func newCheck(version string) elbv2.HealthCheck {
	c := elbv2.HealthCheck{Path: "/", Port: "traffic-port", Interval: 30, Timeout: 5, Healthy: 5, Unhealthy: 2, Matcher: "200"}
	if version == elbv2.VersionGRPC {
		c.Path, c.Matcher = "/AWS.ALB/healthcheck", "12"
	}
	return c
}

// faults returns the faults that in has whatever check it changes.
func (in checkInput) faults() awserr.Faults {
	version := ""
	if in.matcher != nil && aws.ToString(in.matcher.GrpcCode) != "" {
		version = elbv2.VersionGRPC
	}
	c := newCheck(version)
	c.Interval, c.Timeout = math.MaxInt32, 0 // one alone may go with what is there
	return change(&c, version, in)
}

// change takes in what a request says of the checks of a group that speaks a version of HTTP.
func change(c *elbv2.HealthCheck, version string, in checkInput) (f awserr.Faults) {
	if in.enabled != nil && !*in.enabled {
		f.Add(request.Invalid("Health check enabled must be true for target groups with target type 'ip'"))
	}
	switch in.protocol {
	case "":
	case types.ProtocolEnumHttp, types.ProtocolEnumHttps:
		c.Protocol = stored(in.protocol)
	default:
		f.Add(request.Invalid("Health check protocol '%s' must be one of 'HTTP, HTTPS'", in.protocol))
	}
	c.Path, c.Port = cmp.Or(aws.ToString(in.path), c.Path), cmp.Or(aws.ToString(in.port), c.Port)
	c.Interval, c.Timeout = request.Or(in.interval, c.Interval), request.Or(in.timeout, c.Timeout)
	c.Healthy, c.Unhealthy = request.Or(in.healthy, c.Healthy), request.Or(in.unhealthy, c.Unhealthy)
	if in.matcher != nil {
		own, other, kind := aws.ToString(in.matcher.HttpCode), aws.ToString(in.matcher.GrpcCode), "HTTP"
		if version == elbv2.VersionGRPC {
			own, other, kind = other, own, "GRPC"
		}
		if own == "" && other != "" {
			f.Add(request.Invalid("Health check matcher %s code cannot be empty", kind))
		}
		c.Matcher = cmp.Or(own, c.Matcher)
	}
	f.Add(checkFaults(*c, version)...)
	return f
}

func checkFaults(c elbv2.HealthCheck, version string) (f awserr.Faults) {
	switch {
	case !strings.HasPrefix(c.Path, "/"):
		f.Add(request.Invalid("Health check path '%s' must begin with a '/' character", c.Path))
	case len(c.Path) > 1024:
		f.Add(request.Invalid("Health check path cannot be longer than '1024' characters"))
	case strings.ContainsAny(c.Path, " \t\r\n#"):
		f.Add(request.Invalid("Health check path '%s' contains invalid characters", c.Path))
	}
	if c.Port != "traffic-port" && !isPort(c.Port) {
		f.Add(request.Invalid("Health check port '%s' must be 'traffic-port' or a port number between '1' and '65535'", c.Port))
	}
	if c.Timeout >= c.Interval {
		f.Add(request.Invalid("Health check interval '%d' must be greater than the timeout '%d'", c.Interval, c.Timeout))
	}
	f.Add(checkMatcher(c.Matcher, version))
	return f
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= 1 && n <= 65535
}

// checkMatcher checks status codes in the form 200,202 or 200-299, or both, or gRPC's in the same.
func checkMatcher(m, version string) error {
	kind, least, most, form := "HTTP", 200, 499, "a code ('200'), a list ('200,202') or a range ('200-299')"
	if version == elbv2.VersionGRPC {
		kind, least, most, form = "GRPC", 0, 99, "a code ('0'), a list ('0,1') or a range ('0-5')"
	}
	for part := range strings.SplitSeq(m, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		lo, errLo := strconv.Atoi(from)
		hi, errHi := strconv.Atoi(to)
		if errLo != nil || errHi != nil || lo > hi {
			return request.Invalid("Health check matcher %s code '%s' is not valid: use %s", kind, m, form)
		}
		if lo < least || hi > most {
			return request.Invalid("Health check matcher %s code '%s' must be within '%d-%d' inclusive", kind, part, least, most)
		}
	}
	return nil
}
