package account

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/setting"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// known is an account setting: the value that it has when nobody set it, the
// other values that may be set, and those that ECS has and Skylift can't honour,
// or keeps without effect.
type known struct {
	name    types.SettingName
	value   string
	others  []string
	refused []string
	kept    []string // values that have no effect, and break no promise by that
	why     string   // they have none
	managed bool     // by AWS: it can't be set
}

// settings are the account settings, by name.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-account-settings.html
var settings = []known{
	{name: types.SettingNameAwsvpcTrunking, value: "disabled", kept: []string{"enabled"}, why: "there are no container instances"},
	{name: types.SettingNameContainerInsights, value: ecs.InsightsDisabled, kept: []string{"enabled", "enhanced"}, why: scope.NoInsights},
	{name: types.SettingNameContainerInstanceLongArnFormat, value: "enabled", refused: []string{"disabled"}},
	{name: types.SettingNameDefaultLogDriverMode, value: "non-blocking", others: []string{"blocking"}},
	{name: types.SettingNameFargateEventWindows, value: "disabled", kept: []string{"enabled"}, why: "no task is ever retired"},
	{name: types.SettingNameFargateFipsMode, value: "disabled", refused: []string{"enabled"}},
	{name: types.SettingNameFargateTaskRetirementWaitPeriod, value: "7", others: []string{"0", "14"}}, // no task is ever retired here
	{name: types.SettingNameGuardDutyActivate, value: "off", managed: true},
	{name: types.SettingNameServiceLongArnFormat, value: "enabled", refused: []string{"disabled"}},
	{name: types.SettingNameTagResourceAuthorization, value: "off", refused: []string{"on"}},
	{name: types.SettingNameTaskLongArnFormat, value: "enabled", refused: []string{"disabled"}},
}

// keptSettings says which settings have values without effect, and why.
func keptSettings() map[string]string {
	out := map[string]string{}
	for _, s := range settings {
		if len(s.kept) > 0 {
			out[string(s.name)] = s.why
		}
	}
	return out
}

// Kept says whether what was set has no effect, and why.
func Kept(a *ecs.AccountSetting) (why string, kept bool) {
	s, err := settingNamed(a.Name)
	return s.why, err == nil && slices.Contains(s.kept, a.Value)
}

// settingNamed returns the account setting of that name.
func settingNamed(name types.SettingName) (known, error) {
	i := slices.IndexFunc(settings, func(s known) bool { return s.name == name })
	if i < 0 {
		return known{}, ecs.Invalid("The account setting %s is not supported by Skylift.", name)
	}
	return settings[i], nil
}

// check takes a value that the setting may be given.
func (s known) check(value string) error {
	valid := slices.Concat([]string{s.value}, s.others, s.kept)
	switch {
	case s.managed:
		return ecs.Invalid("The account setting %s is managed by AWS and can't be modified.", s.name)
	case slices.Contains(valid, value):
		return nil
	case slices.Contains(s.refused, value):
		return ecs.Invalid("The value '%s' of the account setting %s is not supported by Skylift; use %s.", value, s.name, s.value)
	}
	return ecs.Invalid("The value '%s' is not valid for the account setting %s. Valid values are: %s.", value, s.name, strings.Join(append(valid, s.refused...), ", "))
}

// wire returns the setting as the API has it, with what a principal has set.
func (s known) wire(principal, set string) types.Setting {
	out := types.Setting{Name: s.name, PrincipalArn: &principal, Value: aws.String(s.value), Type: types.SettingTypeUser}
	if set != "" {
		out.Value = &set
	}
	if s.managed {
		out.Type = types.SettingTypeAwsManaged
	}
	return out
}

// principal reads whose settings are meant: the caller's when nobody is named.
// There are no users and roles besides the root user.
func (a *Settings) principal(ctx context.Context, ref *string) (string, error) {
	p := aws.ToString(ref)
	if p == "" {
		p = caller.From(ctx).ARN
	}
	if p != a.Root() {
		return "", ecs.Invalid("The specified principal ARN %s is not valid. Specify the root user, %s.", p, a.Root())
	}
	return p, nil
}

// PutAccountSetting sets an account setting of a principal.
func (a *Settings) PutAccountSetting(ctx context.Context, in *sdk.PutAccountSettingInput) (*sdk.PutAccountSettingOutput, error) {
	p, err := a.principal(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	s, err := a.set(ctx, p, in.Name, *in.Value)
	if err != nil {
		return nil, err
	}
	return &sdk.PutAccountSettingOutput{Setting: s}, nil
}

// PutAccountSettingDefault sets an account setting for all who have it not set.
func (a *Settings) PutAccountSettingDefault(ctx context.Context, in *sdk.PutAccountSettingDefaultInput) (*sdk.PutAccountSettingDefaultOutput, error) {
	s, err := a.set(ctx, a.Root(), in.Name, *in.Value)
	if err != nil {
		return nil, err
	}
	return &sdk.PutAccountSettingDefaultOutput{Setting: s}, nil
}

func (a *Settings) set(ctx context.Context, principal string, name types.SettingName, value string) (*types.Setting, error) {
	s, err := settingNamed(name)
	if err != nil {
		return nil, err
	}
	if err := s.check(value); err != nil {
		return nil, err
	}
	if slices.Contains(s.kept, value) {
		wire.Keep(ctx, "value."+string(name))
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error {
		return ecs.AccountSettings.Put(tx, setting.Key(principal, name), ecs.AccountSetting{Principal: principal, Name: name, Value: value})
	})
	if err != nil {
		return nil, err
	}
	return new(s.wire(principal, value)), nil
}

// DeleteAccountSetting forgets what a principal has set.
func (a *Settings) DeleteAccountSetting(ctx context.Context, in *sdk.DeleteAccountSettingInput) (*sdk.DeleteAccountSettingOutput, error) {
	p, err := a.principal(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	s, err := settingNamed(in.Name)
	if err != nil {
		return nil, err
	}
	if s.managed {
		return nil, s.check("")
	}
	err = a.DB.Update(ctx, func(tx store.Tx) error { return ecs.AccountSettings.Delete(tx, setting.Key(p, in.Name)) })
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteAccountSettingOutput{Setting: new(s.wire(p, ""))}, nil
}

// ListAccountSettings returns what a principal has set, or with
// effectiveSettings what holds for it.
func (a *Settings) ListAccountSettings(ctx context.Context, in *sdk.ListAccountSettingsInput) (*sdk.ListAccountSettingsOutput, error) {
	size := &in.MaxResults
	if in.MaxResults == 0 {
		size = nil
	}
	page, err := scope.Pages(10, 10).Open(size, in.NextToken)
	if err != nil {
		return nil, err
	}
	if in.Value != nil && in.Name == "" {
		return nil, ecs.Invalid("You must specify an account setting name to use the value.")
	}
	p, err := a.principal(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	all, err := handler.View(ctx, a.DB, func(tx store.Tx) ([]types.Setting, error) {
		all := []types.Setting{}
		for _, s := range settings {
			set, is, err := handler.Find(tx, ecs.AccountSettings, setting.Key(p, s.name))
			if err != nil {
				return nil, err
			}
			if w := s.wire(p, set.Value); (is || in.EffectiveSettings) &&
				(in.Name == "" || in.Name == s.name) && (in.Value == nil || *in.Value == *w.Value) {
				all = append(all, w)
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	out := &sdk.ListAccountSettingsOutput{}
	out.Settings, out.NextToken = handler.Cut(page, all, func(s types.Setting) string { return string(s.Name) })
	return out, nil
}
