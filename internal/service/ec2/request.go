package ec2

import "github.com/skylift/skylift/internal/awserr"

// given is s, or nil when it is empty: tools send what they have no value for as "".
func given(s *string) *string {
	if deref(s) == "" {
		return nil
	}
	return s
}

// check says, where the request only asks whether it would be allowed, that it would.
func check(dryRun *bool) error {
	if dryRun != nil && *dryRun {
		return awserr.New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}
