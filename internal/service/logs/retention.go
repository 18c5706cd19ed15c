package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/skylift/skylift/internal/awserr"
)

// retentionDays are the values that AWS takes.
var retentionDays = []int32{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// PutRetentionPolicy sets for how many days a group's events are kept. Older ones
// can't be read from then on. Run frees their disk space.
func (a *API) PutRetentionPolicy(ctx context.Context, in *cwl.PutRetentionPolicyInput) (*cwl.PutRetentionPolicyOutput, error) {
	days := *in.RetentionInDays
	if err := retentionFault(days); err != nil {
		return nil, err
	}
	err := a.updateGroup(ctx, *in.LogGroupName, func(g *Group) error {
		g.Retention = days
		return nil
	})
	return &cwl.PutRetentionPolicyOutput{}, err
}

func retentionFault(days int32) error {
	if slices.Contains(retentionDays, days) {
		return nil
	}
	return invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %s", days, strings.Join(strings.Fields(fmt.Sprint(retentionDays)), ", "))
}

// retentionFaults is what is wrong with a policy, beyond what the wire checks.
func retentionFaults(in *cwl.PutRetentionPolicyInput) []error {
	var f awserr.Faults
	f.Add(retentionFault(*in.RetentionInDays))
	return f
}

// DeleteRetentionPolicy keeps a group's events for ever.
func (a *API) DeleteRetentionPolicy(ctx context.Context, in *cwl.DeleteRetentionPolicyInput) (*cwl.DeleteRetentionPolicyOutput, error) {
	err := a.updateGroup(ctx, *in.LogGroupName, func(g *Group) error {
		g.Retention = 0
		return nil
	})
	return &cwl.DeleteRetentionPolicyOutput{}, err
}
