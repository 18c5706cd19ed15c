// Package request is what the handlers of EC2 have in common: the kinds of
// resources and their ids, tags, and what any call can ask.
package request

import (
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/awserr"
)

// Given returns s, or nil when it is empty: tools send "" for what they have no value for.
func Given(s *string) *string {
	if aws.ToString(s) == "" {
		return nil
	}
	return s
}

// DryRun is the answer to a request that only asks whether it would succeed; nil for any other.
func DryRun(dryRun *bool) error {
	if dryRun != nil && *dryRun {
		return awserr.New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}
