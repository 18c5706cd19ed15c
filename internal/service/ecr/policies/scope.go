package policies

import (
	"cmp"
	"context"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/internal/service/ecr/record"
)

// The account's settings, and what each may be: the registry's policy is asked about three actions by version 1,
// and about all by version 2
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions-account-settings.html). Basic scanning has no older
// version here
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_PutAccountSetting.html).
const (
	settingScan  = "BASIC_SCAN_TYPE_VERSION"
	scanNative   = "AWS_NATIVE"
	scanClair    = "CLAIR"
	settingScope = "REGISTRY_POLICY_SCOPE"
	scopeV1      = "V1"
	scopeV2      = "V2"
)

func setting(name string) error {
	if name != settingScope && name != settingScan {
		return record.Invalid("The account setting '%s' is not supported by Skylift, only %s and %s.", name, settingScan, settingScope)
	}
	return nil
}

// GetAccountSetting says how a setting is.
func (a *API) GetAccountSetting(ctx context.Context, in *sdk.GetAccountSettingInput) (*sdk.GetAccountSettingOutput, error) {
	if err := setting(*in.Name); err != nil {
		return nil, err
	}
	if *in.Name == settingScan {
		return &sdk.GetAccountSettingOutput{Name: in.Name, Value: new(scanNative)}, nil
	}
	r, err := a.records.Registry(ctx)
	if err != nil {
		return nil, err
	}
	return &sdk.GetAccountSettingOutput{Name: in.Name, Value: new(cmp.Or(r.Scope, scopeV2))}, nil
}

// PutAccountSetting changes a setting.
func (a *API) PutAccountSetting(ctx context.Context, in *sdk.PutAccountSettingInput) (*sdk.PutAccountSettingOutput, error) {
	if err := setting(*in.Name); err != nil {
		return nil, err
	}
	if *in.Name == settingScan {
		if err := scanVersion(*in.Value); err != nil {
			return nil, err
		}
		return &sdk.PutAccountSettingOutput{Name: in.Name, Value: in.Value}, nil
	}
	if *in.Value != scopeV1 && *in.Value != scopeV2 {
		return nil, record.Constraint("value", "must satisfy enum value set: ["+scopeV1+", "+scopeV2+"]")
	}
	_, err := a.records.ChangeRegistry(ctx, func(r *record.Registry) error {
		if r.Scope = *in.Value; r.Scope == scopeV2 {
			r.Scope = ""
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutAccountSettingOutput{Name: in.Name, Value: in.Value}, nil
}

// scanVersion refuses a version of basic scanning that isn't there.
func scanVersion(value string) error {
	switch value {
	case scanNative:
		return nil
	case scanClair:
		return record.Invalid("The value '%s' of '%s' is not supported by Skylift, only %s.", value, settingScan, scanNative)
	}
	return record.Constraint("value", "must satisfy enum value set: ["+scanNative+", "+scanClair+"]")
}
