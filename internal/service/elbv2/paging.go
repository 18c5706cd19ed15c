package elbv2

import "github.com/skylift/skylift/internal/handler"

// pages is how lists are cut
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DescribeLoadBalancers.html).
var pages = handler.Pages{
	Default: 400, Most: 400,
	BadToken: func(marker string) error { return invalid("Marker '%s' is not valid", marker) },
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// or returns what p points at, or what holds when it is nil.
func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}
