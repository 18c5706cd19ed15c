package rules

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/request"
)

const maxRedirectPart = 128 // characters

// What a redirect keeps of a request.
const (
	sameProtocol = "#{protocol}"
	sameHost     = "#{host}"
	samePort     = "#{port}"
	samePath     = "/#{path}"
	sameQuery    = "#{query}"
)

var keyword = regexp.MustCompile(`#\{[^}]*\}?`)

// readRedirect reads a redirect; what it doesn't say stays as the request has it.
func readRedirect(c *types.RedirectActionConfig) (*elbv2.Redirect, awserr.Faults) {
	var f awserr.Faults
	if c == nil {
		f.Add(badAction("For actions of type 'redirect', you must specify the following fields: 'RedirectConfig'"))
		return nil, f
	}
	out := &elbv2.Redirect{
		Status:   string(c.StatusCode),
		Protocol: cmp.Or(aws.ToString(c.Protocol), sameProtocol),
		Host:     cmp.Or(aws.ToString(c.Host), sameHost),
		Port:     cmp.Or(aws.ToString(c.Port), samePort),
		Path:     cmp.Or(aws.ToString(c.Path), samePath),
		Query:    cmp.Or(aws.ToString(c.Query), sameQuery),
	}
	if out.Status == "" {
		f.Add(badAction("For actions of type 'redirect', you must specify the following fields: 'StatusCode'"))
	}
	if !slices.Contains([]string{"HTTP", "HTTPS", sameProtocol}, out.Protocol) {
		f.Add(request.Invalid("The redirect protocol '%s' must be 'HTTP', 'HTTPS' or '%s'", out.Protocol, sameProtocol))
	}
	if n, err := strconv.Atoi(out.Port); out.Port != samePort && (err != nil || n < 1 || n > 65535) {
		f.Add(request.Invalid("The redirect port '%s' must be between '1' and '65535', or '%s'", out.Port, samePort))
	}
	if !strings.HasPrefix(out.Path, "/") {
		f.Add(request.Invalid("The redirect path '%s' must begin with a '/' character", out.Path))
	}
	if strings.HasPrefix(out.Query, "?") {
		f.Add(request.Invalid("The redirect query '%s' cannot begin with a '?' character", out.Query))
	}
	f.Add(partFault("host", out.Host, sameHost), partFault("path", out.Path, sameHost, samePort, samePath[1:]),
		partFault("query", out.Query, sameProtocol, sameHost, samePort, samePath[1:], sameQuery))
	if out.Protocol == sameProtocol && out.Host == sameHost && out.Port == samePort && out.Path == samePath {
		f.Add(badAction("The redirect configuration is not valid because it creates a loop."))
	}
	return out, f
}

// partFault says what is wrong with a part of a redirect, which may have some
// keywords.
func partFault(what, part string, may ...string) error {
	if len(part) > maxRedirectPart {
		return request.Invalid("The redirect %s cannot be longer than '%d' characters", what, maxRedirectPart)
	}
	if strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return request.Invalid("The redirect %s '%s' contains invalid characters", what, part)
	}
	for _, k := range keyword.FindAllString(part, -1) {
		if !slices.Contains(may, k) {
			return request.Invalid("The redirect %s '%s' can only have the keywords '%s'", what, part, strings.Join(may, "', '"))
		}
	}
	return nil
}

func wireRedirect(r *elbv2.Redirect) *types.RedirectActionConfig {
	return &types.RedirectActionConfig{
		StatusCode: types.RedirectActionStatusCodeEnum(r.Status),
		Protocol:   new(r.Protocol), Host: new(r.Host), Port: new(r.Port), Path: new(r.Path), Query: new(r.Query),
	}
}
