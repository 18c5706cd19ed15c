package health

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/route53/record"
)

// overHTTP and over TLS are the types that speak those.
var (
	overHTTP = []types.HealthCheckType{types.HealthCheckTypeHttp, types.HealthCheckTypeHttps, types.HealthCheckTypeHttpStrMatch, types.HealthCheckTypeHttpsStrMatch}
	overTLS  = []types.HealthCheckType{types.HealthCheckTypeHttps, types.HealthCheckTypeHttpsStrMatch}
	matching = []types.HealthCheckType{types.HealthCheckTypeHttpStrMatch, types.HealthCheckTypeHttpsStrMatch}
)

// The defaults (https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html).
const (
	defaultInterval  = 30
	fastInterval     = 10
	defaultThreshold = 3
)

// WithDefaults returns a configuration with what it doesn't say.
func WithDefaults(c types.HealthCheckConfig) types.HealthCheckConfig {
	no := func(b **bool, is bool) {
		if *b == nil {
			*b = &is
		}
	}
	no(&c.Inverted, false)
	no(&c.Disabled, false)
	if c.Type == types.HealthCheckTypeCalculated {
		return c
	}
	no(&c.MeasureLatency, false)
	no(&c.EnableSNI, slices.Contains(overTLS, c.Type))
	number := func(n **int32, is int32) {
		if *n == nil {
			*n = &is
		}
	}
	number(&c.RequestInterval, defaultInterval)
	number(&c.FailureThreshold, defaultThreshold)
	switch {
	case slices.Contains(overTLS, c.Type):
		number(&c.Port, 443)
	case slices.Contains(overHTTP, c.Type):
		number(&c.Port, 80)
	}
	return c
}

// configFaults is what is wrong with a configuration, whatever there is.
func configFaults(c *types.HealthCheckConfig) (f awserr.Faults) {
	if c == nil {
		return nil
	}
	has := func(is bool, name string) {
		if !is {
			f.Add(record.InvalidInput("Invalid parameter : %s must be specified for a health check of type %s.", name, c.Type))
		}
	}
	hasNot := func(is bool, name string) {
		if is {
			f.Add(record.InvalidInput("Invalid parameter : %s can't be specified for a health check of type %s.", name, c.Type))
		}
	}
	switch c.Type {
	case types.HealthCheckTypeCloudwatchMetric, types.HealthCheckTypeRecoveryControl:
		f.Add(record.Unsupported("HealthCheckConfig.Type", "a health check is of an endpoint or calculated"))
		return f
	case types.HealthCheckTypeCalculated:
		has(c.HealthThreshold != nil, "HealthThreshold")
		has(len(c.ChildHealthChecks) > 0 || c.HealthThreshold != nil && *c.HealthThreshold == 0, "ChildHealthChecks")
		hasNot(c.IPAddress != nil || c.FullyQualifiedDomainName != nil || c.Port != nil || c.ResourcePath != nil || c.RequestInterval != nil, "an endpoint")
		return f
	}
	has(c.IPAddress != nil || c.FullyQualifiedDomainName != nil, "IPAddress or FullyQualifiedDomainName")
	has(c.Type != types.HealthCheckTypeTcp || c.Port != nil, "Port")
	has(!slices.Contains(matching, c.Type) || c.SearchString != nil, "SearchString")
	hasNot(!slices.Contains(matching, c.Type) && c.SearchString != nil, "SearchString")
	hasNot(c.Type == types.HealthCheckTypeTcp && c.ResourcePath != nil, "ResourcePath")
	hasNot(len(c.ChildHealthChecks) > 0 || c.HealthThreshold != nil, "ChildHealthChecks")
	if n := c.RequestInterval; n != nil && *n != fastInterval && *n != defaultInterval {
		f.Add(record.InvalidInput("Invalid parameter : RequestInterval must be %d or %d.", fastInterval, defaultInterval))
	}
	return f
}
