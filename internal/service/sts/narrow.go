package sts

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/policy/document"
)

// The bounds of session policies (https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html). AWS packs policies and tags, and
// doesn't say how: here they are compressed, and have as much room as the text of a policy.
const (
	maxPolicy   = 2048 // characters of the inline one
	maxPolicies = 10   // managed ones
	maxPacked   = 2048 // bytes
)

// narrow gives s the session policies of a request, and returns what share of the room in the token they and the tags take, in percent; nil
// when there are none.
func (a *API) narrow(ctx context.Context, s *caller.Session, text *string, arns []types.PolicyDescriptorType) (*int32, error) {
	if len(aws.ToString(text)) > maxPolicy {
		return nil, invalid("1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicy)
	}
	if len(arns) > maxPolicies {
		return nil, invalid("1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicies)
	}
	if text != nil {
		if _, err := document.Check(*text, document.Session); err != nil {
			return nil, &types.MalformedPolicyDocumentException{Message: aws.String(err.Error())}
		}
		s.Policy = *text
	}
	for _, p := range arns {
		arn := aws.ToString(p.Arn)
		there, err := a.IAM.Managed(ctx, arn)
		if err != nil {
			return nil, fmt.Errorf("look up policy %s: %w", arn, err)
		}
		if !there {
			return nil, invalid("Policy ARN %s does not exist or is not attachable.", arn)
		}
		s.Policies = append(s.Policies, arn)
	}
	return packed(s)
}

func packed(s *caller.Session) (*int32, error) {
	if s.Policy == "" && len(s.Policies) == 0 && len(s.Tags) == 0 {
		return nil, nil
	}
	plain, err := json.Marshal([]any{s.Policy, s.Policies, s.Tags, s.Transitive})
	if err != nil {
		return nil, fmt.Errorf("pack session policies: %w", err)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("pack session policies: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("pack session policies: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack session policies: %w", err)
	}
	const whole = 100
	percent := int32((b.Len()*whole + maxPacked - 1) / maxPacked)
	switch {
	case percent <= whole:
		return &percent, nil
	case s.Policy == "" && len(s.Policies) == 0:
		return nil, &types.PackedPolicyTooLargeException{Message: aws.String(fmt.Sprintf("Packed size of session tags consumes %d%% of allotted space.", percent))}
	}
	return nil, &types.PackedPolicyTooLargeException{Message: aws.String(fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", percent))}
}
