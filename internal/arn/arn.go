// Package arn reads and makes Amazon Resource Names.
package arn

import (
	"fmt"
	"strings"
)

// ARN is a parsed Amazon Resource Name.
type ARN struct{ Partition, Service, Region, Account, Resource string }

// Parse splits s, which must have all six ARN fields. There is one partition: policies name resources in it, and would miss the same
// resource in another.
func Parse(s string) (ARN, error) {
	f := strings.SplitN(s, ":", 6)
	if len(f) != 6 || f[0] != "arn" || f[1] != "aws" || f[2] == "" || f[5] == "" {
		return ARN{}, fmt.Errorf("parse arn %q: want arn:aws:service:region:account:resource", s)
	}
	return ARN{f[1], f[2], f[3], f[4], f[5]}, nil
}

func (a ARN) String() string {
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// Namespace is the region and account that an instance's resources live in.
type Namespace struct {
	Region  string // us-west-2
	Account string // 12 digits
}

// ARN names a resource of service in n.
func (n Namespace) ARN(service, resource string) string {
	return ARN{"aws", service, n.Region, n.Account, resource}.String()
}
