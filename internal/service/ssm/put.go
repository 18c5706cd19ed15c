package ssm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// The limits of the tiers
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html).
const (
	maxStandard, maxAdvanced             = 4096, 8192 // bytes of a value
	maxStandardCount, maxAdvancedCount   = 10_000, 100_000
	maxVersions, maxPolicies, maxPattern = 100, 10, 1024
)

const usualKey = "alias/aws/ssm"

// putFaults is what is wrong with a parameter, beyond what the wire checks and
// whatever is there.
func (a *API) putFaults(in *ssm.PutParameterInput) []error {
	var f awserr.Faults
	f.Add(a.nameFault(*in.Name))
	if *in.Value == "" {
		f.Add(invalid("1 validation error detected: Value at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1."))
	}
	if in.KeyId != nil && in.Type != "" && in.Type != types.ParameterTypeSecureString {
		f.Add(invalid("KeyId is required for SecureString type parameter only."))
	}
	overwrite := deref(in.Overwrite)
	if overwrite && len(in.Tags) > 0 {
		f.Add(invalid("Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource."))
	}
	f.Add(sizeFault(in), dataTypeFault(deref(in.DataType)), patternFault(deref(in.AllowedPattern), *in.Value))
	_, _, err := readPolicies(deref(in.Policies))
	f.Add(err)
	if err == nil && deref(in.Policies) != "" && in.Tier == types.ParameterTierStandard {
		f.Add(invalid("Parameter policies need a parameter of the advanced tier."))
	}
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

func sizeFault(in *ssm.PutParameterInput) error {
	switch n := len(*in.Value); {
	case n > maxAdvanced:
		return invalid("Advanced tier parameters support a maximum parameter value of %d characters.", maxAdvanced)
	case n > maxStandard && in.Tier == types.ParameterTierStandard:
		return tooLargeForStandard
	}
	return nil
}

var tooLargeForStandard = invalid("Standard tier parameters support a maximum parameter value of %d characters. To create a larger parameter value, upgrade the parameter to use the advanced-parameter tier. For more information, see https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html", maxStandard)

func dataTypeFault(typ string) error {
	switch typ {
	case "", "text":
		return nil
	case "aws:ec2:image", "aws:ssm:integration":
		return invalid("The data type %s is not supported by Skylift.", typ)
	}
	return invalid("The following data type is not supported: %s (Data type names are all lowercase.)", typ)
}

// patternFault holds a value to its pattern; the value is not told.
func patternFault(pattern, value string) error {
	if pattern == "" {
		return nil
	}
	re, err := regexp.Compile(pattern)
	if err != nil || len(pattern) > maxPattern {
		return &types.InvalidAllowedPatternException{Message: new("The allowed pattern is not a regular expression that Skylift has: " + pattern)}
	}
	if !re.MatchString(value) {
		return &types.ParameterPatternMismatchException{Message: new("Parameter value, cannot be validated against allowedPattern: " + pattern)}
	}
	return nil
}

// readPolicies reads a parameter's policies. Those that would notify are refused:
// there is nothing that could. Without an expiration the time is zero.
func readPolicies(text string) (all []Policy, expires time.Time, err error) {
	if text == "" || text == "{}" {
		return nil, expires, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, expires, &types.InvalidPolicyAttributeException{Message: new("The policies are not a JSON list of policies.")}
	}
	if len(list) > maxPolicies {
		return nil, expires, &types.PoliciesLimitExceededException{Message: new("A parameter can have at most 10 policies.")}
	}
	for _, raw := range list {
		var p struct {
			Type, Version string
			Attributes    struct{ Timestamp string }
		}
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, expires, &types.InvalidPolicyAttributeException{Message: new("A policy has attributes that are not valid.")}
		}
		switch {
		case string(raw) == "{}":
			continue // AWS's way to take all policies off
		case p.Type == "ExpirationNotification" || p.Type == "NoChangeNotification":
			return nil, expires, &types.InvalidPolicyTypeException{Message: new(fmt.Sprintf("The policy type %s is not supported by Skylift: there are no notifications.", p.Type))}
		case p.Type != "Expiration":
			return nil, expires, &types.InvalidPolicyTypeException{Message: new(fmt.Sprintf("The policy type %s is not supported. Parameter Store supports Expiration, ExpirationNotification and NoChangeNotification.", p.Type))}
		case !expires.IsZero():
			return nil, expires, &types.IncompatiblePolicyException{Message: new("There is more than one Expiration policy.")}
		}
		if expires, err = time.Parse(time.RFC3339, p.Attributes.Timestamp); err != nil {
			return nil, expires, &types.InvalidPolicyAttributeException{Message: new("The Timestamp of the Expiration policy must be in the form 2030-12-02T21:34:33.000Z.")}
		}
		all = append(all, Policy{p.Type, string(raw)})
	}
	return all, expires, nil
}

// PutParameter makes a parameter, or gives one another version.
func (a *API) PutParameter(ctx context.Context, in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	if err := awserr.Faults(a.putFaults(in)).First(); err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	policies, expires, err := readPolicies(deref(in.Policies))
	if err != nil {
		return nil, err
	}
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	fresh := Parameter{Name: *in.Name, ID: id.UUID(), Type: in.Type, Tags: tags}
	var last Version
	was, err := handler.View(ctx, a.db, func(tx store.Tx) (Parameter, error) {
		p, err := a.before(tx, fresh, in, now)
		if err == nil {
			p.Tier, err = tier(tx, p, in, len(policies) > 0)
		}
		if err == nil {
			last, _, err = handler.Find(tx, versions, versionKey(p.ID, p.Latest))
		}
		return p, err
	})
	if err != nil {
		return nil, err
	}
	v := next(last, in)
	v.Policies, v.ModifiedAt, v.ModifiedBy = policies, now, caller.From(ctx).ARN
	if err := a.close(ctx, &v, was, in); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*ssm.PutParameterOutput, error) {
		p, err := a.before(tx, fresh, in, now)
		if err != nil {
			return nil, err
		}
		if p.Tier, err = tier(tx, p, in, len(policies) > 0); err != nil {
			return nil, err
		}
		if p.Type != was.Type || p.Tier != was.Tier {
			return nil, &types.TooManyUpdates{Message: new("The parameter is being changed by another call. Try again.")} // the value is sealed for the other type
		}
		v := v
		if in.Policies != nil {
			p.ExpiresAt = expires
		} else if v.Policies, err = policiesOf(tx, p); err != nil {
			return nil, err
		}
		p.Latest++
		v.ParameterID, v.Number, v.Tier = p.ID, p.Latest, p.Tier
		if err := errors.Join(versions.Put(tx, v.key(), v), Parameters.Put(tx, p.Name, p)); err != nil {
			return nil, err
		}
		return &ssm.PutParameterOutput{Version: p.Latest, Tier: p.Tier}, trim(tx, p)
	})
}

// next returns the version that follows last: with its description, data type and key, unless the call brings others.
func next(last Version, in *ssm.PutParameterInput) Version {
	v := Version{
		Description: last.Description, Pattern: deref(in.AllowedPattern),
		DataType: cmp.Or(deref(in.DataType), last.DataType, "text"), KeyID: cmp.Or(deref(in.KeyId), last.KeyID, usualKey),
	}
	if in.Description != nil {
		v.Description = *in.Description
	}
	return v
}

// policiesOf returns those of a parameter's latest version, which the next one keeps unless a call brings others
// (https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-policies.html).
func policiesOf(tx store.Tx, p Parameter) ([]Policy, error) {
	v, _, err := handler.Find(tx, versions, versionKey(p.ID, p.Latest))
	return v.Policies, err
}

// close seals a version's value. The advanced tier has a data key for each
// (https://docs.aws.amazon.com/kms/latest/developerguide/services-parameter-store.html).
func (a *API) close(ctx context.Context, v *Version, p Parameter, in *ssm.PutParameterInput) error {
	if p.Type != types.ParameterTypeSecureString {
		v.KeyID, v.Sealed = "", a.seal.Seal(a.arn(p.Name), []byte(*in.Value))
		return nil
	}
	ref := v.KeyID
	if ref == usualKey {
		ref = ""
	}
	seal := a.keys.Encrypt
	if p.Tier == types.ParameterTierAdvanced {
		seal = a.keys.Seal
	}
	sealed, _, err := seal(ctx, ref, a.context(p.Name), []byte(*in.Value))
	v.Sealed = sealed
	return keyError(err)
}

func (a *API) context(name string) map[string]string {
	return map[string]string{"PARAMETER_ARN": a.arn(name)}
}

// keyError is the service's error for one of KMS's.
func keyError(err error) error {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		if e.ErrorCode() == "AccessDeniedException" {
			return err
		}
		return &types.InvalidKeyId{Message: new(e.ErrorCode() + ": " + e.ErrorMessage())}
	}
	return err
}

// before returns the parameter as it is before a put: fresh when there is none yet.
func (a *API) before(tx store.Tx, fresh Parameter, in *ssm.PutParameterInput, now time.Time) (Parameter, error) {
	p, there, err := handler.Find(tx, Parameters, fresh.Name)
	switch {
	case err != nil:
		return p, err
	case there && p.expired(now):
		return p, &types.TooManyUpdates{Message: new("The parameter has expired and is being deleted. Try again.")}
	case !there && in.Type == "":
		return p, typeNeeded
	case !there:
		return fresh, nil
	case !deref(in.Overwrite):
		return p, &types.ParameterAlreadyExists{Message: new("The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")}
	case in.Type != "" && in.Type != p.Type:
		return p, &types.HierarchyTypeMismatchException{Message: new("Parameter Store does not support changing a parameter type in a hierarchy. For example, you can't change a parameter from a String type to a SecureString type. You must create a new, unique parameter.")}
	case in.KeyId != nil && p.Type != types.ParameterTypeSecureString:
		return p, invalid("KeyId is required for SecureString type parameter only.")
	}
	return p, nil
}

var typeNeeded = invalid("A parameter type is required when you create a parameter.")

// tier returns the tier that a put gives a parameter.
func tier(tx store.Tx, p Parameter, in *ssm.PutParameterInput, policies bool) (types.ParameterTier, error) {
	count := func(t types.ParameterTier) (n int) {
		for range Parameters.Keys(tx, "tier", string(t), "") {
			n++
		}
		return n
	}
	const standard, advanced = types.ParameterTierStandard, types.ParameterTierAdvanced
	want := cmp.Or(in.Tier, p.Tier, standard)
	switch {
	case want == types.ParameterTierIntelligentTiering && (p.Tier == advanced || policies || len(*in.Value) > maxStandard || p.Tier == "" && count(standard) >= maxStandardCount):
		want = advanced
	case want == types.ParameterTierIntelligentTiering:
		want = standard
	case want == standard && p.Tier == advanced:
		return want, invalid("This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced parameter and recreate it as a standard parameter.")
	case want == standard && len(*in.Value) > maxStandard:
		return want, tooLargeForStandard
	case want == standard && policies:
		return want, invalid("Parameter policies need a parameter of the advanced tier.")
	}
	if most := map[types.ParameterTier]int{standard: maxStandardCount, advanced: maxAdvancedCount}[want]; p.Tier != want && count(want) >= most {
		return want, &types.ParameterLimitExceeded{Message: new(fmt.Sprintf("You have exceeded the number of %s parameters for this account: %d.", want, most))}
	}
	return want, nil
}

// trim removes the oldest version when there are too many, unless it has a label.
func trim(tx store.Tx, p Parameter) error {
	all, err := versions.List(tx, p.ID+"/")
	if err != nil || len(all) <= maxVersions {
		return err
	}
	if len(all[0].Labels) > 0 {
		return &types.ParameterMaxVersionLimitExceeded{Message: new(fmt.Sprintf("You attempted to create a new version of %s by calling the PutParameter API with the overwrite flag. Version %d, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.", p.Name, all[0].Number))}
	}
	return versions.Delete(tx, all[0].key())
}

// DeleteParameter deletes a parameter.
func (a *API) DeleteParameter(ctx context.Context, in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	gone, err := a.delete(ctx, []string{*in.Name})
	if err == nil && len(gone) == 0 {
		err = noParameter(*in.Name)
	}
	return &ssm.DeleteParameterOutput{}, err
}

// DeleteParameters deletes those that are there, and says which are not.
func (a *API) DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput) (*ssm.DeleteParametersOutput, error) {
	gone, err := a.delete(ctx, in.Names)
	out := &ssm.DeleteParametersOutput{DeletedParameters: gone, InvalidParameters: []string{}}
	for _, name := range in.Names {
		if !slices.Contains(gone, name) && !slices.Contains(out.InvalidParameters, name) {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	return out, err
}

// delete deletes parameters and returns the refs of those that were there.
func (a *API) delete(ctx context.Context, refs []string) ([]string, error) {
	now := time.Now()
	return handler.Update(store.Freeing(ctx), a.db, func(tx store.Tx) ([]string, error) {
		gone := []string{}
		for _, ref := range refs {
			r, err := a.parse(ref)
			if err != nil {
				continue
			}
			p, err := first(tx, r, now)
			if err != nil {
				continue
			}
			gone = append(gone, ref)
			if err := remove(tx, p); err != nil {
				return nil, err
			}
		}
		return gone, nil
	})
}
