package ssm

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// maxLabels is how many labels a version may have.
const maxLabels = 10

var labelForm = regexp.MustCompile(`^[A-Za-z_.\-][A-Za-z0-9_.\-]*$`)

// validLabel says whether a label keeps AWS's rules
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html).
func validLabel(label string) bool {
	small := strings.ToLower(label)
	return labelForm.MatchString(label) && !strings.HasPrefix(small, "aws") && !strings.HasPrefix(small, "ssm")
}

// change reads all versions of a parameter and changes them.
func (a *API) change(ctx context.Context, ref string, version int64, change func(all map[int64]*Version, n int64) error) (int64, error) {
	now := time.Now()
	return handler.Update(ctx, a.db, func(tx store.Tx) (int64, error) {
		r, err := a.parse(ref)
		if err != nil {
			return 0, err
		}
		p, err := first(tx, r, now)
		if err != nil {
			return 0, err
		}
		n := version
		if n == 0 {
			n = p.Latest
		}
		list, err := versions.List(tx, p.ID+"/")
		if err != nil {
			return 0, err
		}
		all := map[int64]*Version{}
		for i := range list {
			all[list[i].Number] = &list[i]
		}
		if all[n] == nil {
			return 0, noVersion(p.Name, n)
		}
		if err := change(all, n); err != nil {
			return 0, err
		}
		for _, v := range list {
			if err := versions.Put(tx, v.key(), v); err != nil {
				return 0, err
			}
		}
		return n, nil
	})
}

// LabelParameterVersion gives a version labels, which other versions lose. Labels
// that break the rules are told.
func (a *API) LabelParameterVersion(ctx context.Context, in *ssm.LabelParameterVersionInput) (*ssm.LabelParameterVersionOutput, error) {
	bad, good := []string{}, []string{}
	for _, l := range in.Labels {
		if validLabel(l) {
			good = append(good, l)
		} else {
			bad = append(bad, l)
		}
	}
	n, err := a.change(ctx, *in.Name, deref(in.ParameterVersion), func(all map[int64]*Version, n int64) error {
		for _, v := range all {
			v.Labels = slices.DeleteFunc(v.Labels, func(l string) bool { return slices.Contains(good, l) })
		}
		all[n].Labels = append(all[n].Labels, slices.Compact(slices.Sorted(slices.Values(good)))...)
		if len(all[n].Labels) > maxLabels {
			return &types.ParameterVersionLabelLimitExceeded{Message: new("A parameter version can have maximum 10 labels. Move one or more labels to another version and try again.")}
		}
		return nil
	})
	return &ssm.LabelParameterVersionOutput{InvalidLabels: bad, ParameterVersion: n}, err
}

// UnlabelParameterVersion takes labels off a version.
func (a *API) UnlabelParameterVersion(ctx context.Context, in *ssm.UnlabelParameterVersionInput) (*ssm.UnlabelParameterVersionOutput, error) {
	out := &ssm.UnlabelParameterVersionOutput{}
	_, err := a.change(ctx, *in.Name, *in.ParameterVersion, func(all map[int64]*Version, n int64) error {
		out.RemovedLabels, out.InvalidLabels = []string{}, []string{}
		for _, l := range in.Labels {
			if slices.Contains(all[n].Labels, l) {
				out.RemovedLabels = append(out.RemovedLabels, l)
			} else {
				out.InvalidLabels = append(out.InvalidLabels, l)
			}
		}
		all[n].Labels = slices.DeleteFunc(all[n].Labels, func(l string) bool { return slices.Contains(in.Labels, l) })
		return nil
	})
	return out, err
}
