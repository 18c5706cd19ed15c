package ssm

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// found is a parameter with one of its versions.
type found struct {
	Parameter
	Version
	selector string
}

// first returns the parameter with the first of the names that there is.
func first(tx store.Tx, r reference, now time.Time) (p Parameter, err error) {
	for _, name := range r.names {
		if p, err = get(tx, name, now); err == nil {
			return p, nil
		}
	}
	return p, err
}

// look returns what ref names.
func (a *API) look(tx store.Tx, ref string, now time.Time) (f found, err error) {
	r, err := a.parse(ref)
	if err != nil {
		return f, err
	}
	p, err := first(tx, r, now)
	if err != nil {
		return f, err
	}
	return selected(tx, p, r.selector)
}

// selected returns the version of p with a number or a label; "" is the latest.
func selected(tx store.Tx, p Parameter, selector string) (found, error) {
	n := p.Latest
	if selector != "" {
		number, err := strconv.ParseInt(selector, 10, 64)
		if err != nil {
			return labelled(tx, p, selector)
		}
		n = number
	}
	v, err := handler.Get(tx, versions, versionKey(p.ID, n), func(string) error { return noVersion(p.Name, n) })
	f := found{Parameter: p, Version: v}
	if selector != "" {
		f.selector = ":" + selector
	}
	return f, err
}

func noVersion(name string, n int64) error {
	return &types.ParameterVersionNotFound{Message: new(fmt.Sprintf("Systems Manager could not find version %d of %s. Verify the version and try again.", n, name))}
}

func labelled(tx store.Tx, p Parameter, label string) (found, error) {
	for v, err := range versions.Scan(tx, p.ID+"/", "") {
		if err != nil {
			return found{}, err
		}
		if slices.Contains(v.Labels, label) {
			return found{p, v, ":" + label}, nil
		}
	}
	return found{}, &types.ParameterVersionNotFound{Message: new(fmt.Sprintf("Systems Manager could not find a version of %s with the label %s. Verify the label and try again.", p.Name, label))}
}

// value returns a version's value: of a SecureString that is not to be decrypted,
// its ciphertext in base64.
func (a *API) value(ctx context.Context, f found, decrypt bool) (string, error) {
	if f.Type != types.ParameterTypeSecureString {
		plain, err := a.seal.Open(a.arn(f.Name), f.Sealed)
		if err != nil {
			return "", fmt.Errorf("open version %d of parameter %s: %w", f.Number, f.Name, err)
		}
		return string(plain), nil
	}
	if !decrypt {
		return base64.StdEncoding.EncodeToString(f.Sealed), nil
	}
	plain, err := a.keys.Open(ctx, a.context(f.Name), f.Sealed)
	return string(plain), keyError(err)
}

// parameter is f as answers have it.
func (a *API) parameter(ctx context.Context, f found, decrypt *bool) (*types.Parameter, error) {
	value, err := a.value(ctx, f, deref(decrypt))
	p := &types.Parameter{
		Name: &f.Name, Type: f.Type, Value: &value, Version: f.Number, LastModifiedDate: &f.ModifiedAt, ARN: new(a.arn(f.Name)), DataType: &f.DataType,
	}
	if f.selector != "" {
		p.Selector = &f.selector
	}
	return p, err
}

// GetParameter returns a parameter, of which a version or a label may be named.
func (a *API) GetParameter(ctx context.Context, in *ssm.GetParameterInput) (*ssm.GetParameterOutput, error) {
	now := time.Now()
	f, err := handler.View(ctx, a.db, func(tx store.Tx) (found, error) { return a.look(tx, *in.Name, now) })
	if err != nil {
		return nil, err
	}
	p, err := a.parameter(ctx, f, in.WithDecryption)
	return &ssm.GetParameterOutput{Parameter: p}, err
}

// GetParameters returns those that are there, and says which are not.
func (a *API) GetParameters(ctx context.Context, in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	now := time.Now()
	var all []found
	out := &ssm.GetParametersOutput{Parameters: []types.Parameter{}, InvalidParameters: []string{}}
	err := a.db.View(ctx, func(tx store.Tx) error {
		all, out.InvalidParameters = nil, []string{}
		for _, ref := range in.Names {
			f, err := a.look(tx, ref, now)
			switch {
			case missing(err):
				out.InvalidParameters = append(out.InvalidParameters, ref)
			case err != nil:
				return err
			default:
				all = append(all, f)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		p, err := a.parameter(ctx, f, in.WithDecryption)
		if err != nil {
			return nil, err
		}
		out.Parameters = append(out.Parameters, *p)
	}
	return out, nil
}

// missing says whether err is that of a parameter that isn't there.
func missing(err error) bool {
	_, parameter := errors.AsType[*types.ParameterNotFound](err)
	_, version := errors.AsType[*types.ParameterVersionNotFound](err)
	return parameter || version
}

// GetParameterHistory returns all versions of a parameter.
func (a *API) GetParameterHistory(ctx context.Context, in *ssm.GetParameterHistoryInput) (*ssm.GetParameterHistoryOutput, error) {
	page, err := pages(50, 50).Open(in.MaxResults, in.NextToken, in.Name)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	var p Parameter
	out := &ssm.GetParameterHistoryOutput{Parameters: []types.ParameterHistory{}}
	list, err := handler.View(ctx, a.db, func(tx store.Tx) (list []Version, err error) {
		r, err := a.parse(*in.Name)
		if err != nil {
			return nil, err
		}
		if p, err = first(tx, r, now); err != nil {
			return nil, err
		}
		list, out.NextToken, err = handler.Fill(page, versions.Scan(tx, p.ID+"/", page.After), Version.key)
		return list, err
	})
	if err != nil {
		return nil, err
	}
	for _, v := range list {
		value, err := a.value(ctx, found{p, v, ""}, deref(in.WithDecryption))
		if err != nil {
			return nil, err
		}
		h := types.ParameterHistory{
			Name: &p.Name, Type: p.Type, Value: &value, Version: v.Number, LastModifiedDate: &v.ModifiedAt, LastModifiedUser: &v.ModifiedBy,
			Labels: append([]string{}, v.Labels...), Tier: v.Tier, Policies: v.policies(), DataType: &v.DataType,
			Description: handler.Optional(v.Description), AllowedPattern: handler.Optional(v.Pattern), KeyId: handler.Optional(v.KeyID),
		}
		out.Parameters = append(out.Parameters, h)
	}
	return out, nil
}

func (v Version) policies() []types.ParameterInlinePolicy {
	out := []types.ParameterInlinePolicy{}
	for _, p := range v.Policies {
		out = append(out, types.ParameterInlinePolicy{PolicyType: &p.Type, PolicyText: &p.Text, PolicyStatus: new("Pending")})
	}
	return out
}
