package expiry

import (
	"cmp"
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/service/ecr/record"
)

// pages is how the results of a preview are cut
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetLifecyclePolicyPreview.html).
var pages = handler.Pages{
	Default: 100, Most: 100,
	BadSize: func(int) error {
		return &types.InvalidParameterException{Message: new("Invalid parameter at 'maxResults' failed to satisfy constraint: 'must have value between 1 and 100'")}
	},
	BadToken: func(string) error {
		return &types.InvalidParameterException{Message: new("Invalid parameter at 'nextToken': it is not one that this operation returned")}
	},
}

// StartLifecyclePolicyPreview notes which policy is to be previewed, and from when.
func (a *API) StartLifecyclePolicyPreview(ctx context.Context, in *sdk.StartLifecyclePolicyPreviewInput) (*sdk.StartLifecyclePolicyPreviewOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if err := faults(in.LifecyclePolicyText).First(); err != nil {
		return nil, err
	}
	r, err := a.records.Change(ctx, *in.RepositoryName, func(r *record.Repository) error {
		text := r.Lifecycle.Text
		if in.LifecyclePolicyText != nil {
			text = *in.LifecyclePolicyText
		}
		if text == "" {
			return a.noPolicy(r.Name)
		}
		r.Preview = lifecycle.Setting{Text: text, Set: now()}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.StartLifecyclePolicyPreviewOutput{
		LifecyclePolicyText: &r.Preview.Text, RegistryId: &a.records.NS.Account, RepositoryName: &r.Name, Status: types.LifecyclePolicyPreviewStatusInProgress,
	}, nil
}

// GetLifecyclePolicyPreview returns which of the present images the policy would have expired
// at the time when its preview was started. Images that are in use are none of them.
func (a *API) GetLifecyclePolicyPreview(ctx context.Context, in *sdk.GetLifecyclePolicyPreviewInput) (*sdk.GetLifecyclePolicyPreviewOutput, error) {
	if err := a.records.Check(in.RegistryId, in.RepositoryName); err != nil {
		return nil, err
	}
	if len(in.ImageIds) > 0 && (in.MaxResults != nil || in.NextToken != nil) {
		return nil, &types.InvalidParameterException{Message: new("Invalid request parameters: maxResults and nextToken cannot be used with imageIds")}
	}
	page, err := pages.Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	r, err := a.records.Find(ctx, *in.RepositoryName)
	if err == nil && r.Preview.Text == "" {
		err = a.noPreview(r.Name)
	}
	if err != nil {
		return nil, err
	}
	expired, _, err := expired(ctx, a.records, a.used, r.Name, r.Preview.Text, r.Preview.Set)
	if err != nil {
		return nil, err
	}
	total := int32(len(expired))
	expired = slices.DeleteFunc(expired, func(e lifecycle.Expiry) bool { return !asked(in, e.Image) })
	slices.SortFunc(expired, func(x, y lifecycle.Expiry) int { return cmp.Compare(x.Image.Digest, y.Image.Digest) })
	var next *string
	if len(in.ImageIds) == 0 {
		expired, next = handler.Cut(page, expired, func(e lifecycle.Expiry) string { return e.Image.Digest })
	}
	out := &sdk.GetLifecyclePolicyPreviewOutput{
		LifecyclePolicyText: &r.Preview.Text, RegistryId: &a.records.NS.Account, RepositoryName: &r.Name, Status: types.LifecyclePolicyPreviewStatusComplete,
		Summary: &types.LifecyclePolicyPreviewSummary{ExpiringImageTotalCount: &total}, PreviewResults: []types.LifecyclePolicyPreviewResult{}, NextToken: next,
	}
	for _, e := range expired {
		out.PreviewResults = append(out.PreviewResults, types.LifecyclePolicyPreviewResult{
			Action: &types.LifecyclePolicyRuleAction{Type: types.ImageActionTypeExpire}, AppliedRulePriority: new(int32(e.Rule)),
			ImageDigest: &e.Image.Digest, ImagePushedAt: &e.Image.Pushed, ImageTags: e.Image.Tags,
		})
	}
	return out, nil
}

// asked tells whether a request asks for an image.
func asked(in *sdk.GetLifecyclePolicyPreviewInput, img lifecycle.Image) bool {
	if f := in.Filter; f != nil && (f.TagStatus == types.TagStatusTagged && len(img.Tags) == 0 || f.TagStatus == types.TagStatusUntagged && len(img.Tags) > 0) {
		return false
	}
	return len(in.ImageIds) == 0 || slices.ContainsFunc(in.ImageIds, func(id types.ImageIdentifier) bool {
		digest, tag := aws.ToString(id.ImageDigest), aws.ToString(id.ImageTag)
		return (digest != "" || tag != "") && (digest == "" || digest == img.Digest) && (tag == "" || slices.Contains(img.Tags, tag))
	})
}
