package ec2

import (
	"github.com/skylift/skylift/internal/awserr"
)

// check refuses parameters that are not supported, then, where the request
// only asks whether it would be allowed, says that it would.
func check(in any, dryRun *bool, supported ...string) error {
	if err := awserr.Refuse(in, "UnsupportedOperation", append(supported, "DryRun")...); err != nil {
		return err
	}
	if dryRun != nil && *dryRun {
		return awserr.New("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	}
	return nil
}
