package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// setting is an account setting: the value that it has when nobody set it, the
// other values that may be set, and those that ECS has and Skylift can't honour,
// or keeps without effect.
type setting struct {
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
var settings = []setting{
	{name: types.SettingNameAwsvpcTrunking, value: "disabled", kept: []string{"enabled"}, why: "there are no container instances"},
	{name: types.SettingNameContainerInsights, value: insights, kept: []string{"enabled", "enhanced"}, why: noInsights},
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

// settingNamed returns the account setting of that name.
func settingNamed(name types.SettingName) (setting, error) {
	i := slices.IndexFunc(settings, func(s setting) bool { return s.name == name })
	if i < 0 {
		return setting{}, invalid("The account setting %s is not supported by Skylift.", name)
	}
	return settings[i], nil
}

// check takes a value that the setting may be given.
func (s setting) check(value string) error {
	valid := slices.Concat([]string{s.value}, s.others, s.kept)
	switch {
	case s.managed:
		return invalid("The account setting %s is managed by AWS and can't be modified.", s.name)
	case slices.Contains(valid, value):
		return nil
	case slices.Contains(s.refused, value):
		return invalid("The value '%s' of the account setting %s is not supported by Skylift; use %s.", value, s.name, s.value)
	}
	return invalid("The value '%s' is not valid for the account setting %s. Valid values are: %s.", value, s.name, strings.Join(append(valid, s.refused...), ", "))
}

// wire returns the setting as the API has it, with what a principal has set.
func (s setting) wire(principal, set string) types.Setting {
	out := types.Setting{Name: s.name, PrincipalArn: &principal, Value: aws.String(s.value), Type: types.SettingTypeUser}
	if set != "" {
		out.Value = &set
	}
	if s.managed {
		out.Type = types.SettingTypeAwsManaged
	}
	return out
}

// root is the account's root user, whose settings are everybody's default.
func (a *API) root() string { return rootOf(a.ns) }

func rootOf(ns arn.Namespace) string { return "arn:aws:iam::" + ns.Account + ":root" }

// principal reads whose settings are meant: the caller's when nobody is named.
// There are no users and roles besides the root user.
func (a *API) principal(ctx context.Context, ref *string) (string, error) {
	p := aws.ToString(ref)
	if p == "" {
		p = caller.From(ctx).ARN
	}
	if p != a.root() {
		return "", invalid("The specified principal ARN %s is not valid. Specify the root user, %s.", p, a.root())
	}
	return p, nil
}

// settingKey is the key of an account setting of a principal.
func settingKey(principal string, name types.SettingName) string {
	return principal + "/" + string(name)
}

// LogsBlock says whether the output of a container whose log options have no
// mode is delivered in the mode blocking: whether the account setting says so.
func LogsBlock(tx store.Tx, ns arn.Namespace) (bool, error) {
	s, err := AccountSettings.Get(tx, settingKey(rootOf(ns), types.SettingNameDefaultLogDriverMode))
	if missing(err) {
		return false, nil
	}
	return s.Value == "blocking", err
}

// PutAccountSetting sets an account setting of a principal.
func (a *API) PutAccountSetting(ctx context.Context, in *ecs.PutAccountSettingInput) (*ecs.PutAccountSettingOutput, error) {
	p, err := a.principal(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	s, err := a.set(ctx, p, in.Name, *in.Value)
	if err != nil {
		return nil, err
	}
	return &ecs.PutAccountSettingOutput{Setting: s}, nil
}

// PutAccountSettingDefault sets an account setting for all who have it not set.
func (a *API) PutAccountSettingDefault(ctx context.Context, in *ecs.PutAccountSettingDefaultInput) (*ecs.PutAccountSettingDefaultOutput, error) {
	s, err := a.set(ctx, a.root(), in.Name, *in.Value)
	if err != nil {
		return nil, err
	}
	return &ecs.PutAccountSettingDefaultOutput{Setting: s}, nil
}

func (a *API) set(ctx context.Context, principal string, name types.SettingName, value string) (*types.Setting, error) {
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
	err = a.db.Update(ctx, func(tx store.Tx) error {
		return AccountSettings.Put(tx, settingKey(principal, name), AccountSetting{Principal: principal, Name: name, Value: value})
	})
	if err != nil {
		return nil, err
	}
	return new(s.wire(principal, value)), nil
}

// DeleteAccountSetting forgets what a principal has set.
func (a *API) DeleteAccountSetting(ctx context.Context, in *ecs.DeleteAccountSettingInput) (*ecs.DeleteAccountSettingOutput, error) {
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
	err = a.db.Update(ctx, func(tx store.Tx) error { return AccountSettings.Delete(tx, settingKey(p, in.Name)) })
	if err != nil {
		return nil, err
	}
	return &ecs.DeleteAccountSettingOutput{Setting: new(s.wire(p, ""))}, nil
}

// ListAccountSettings returns what a principal has set, or with
// effectiveSettings what holds for it.
func (a *API) ListAccountSettings(ctx context.Context, in *ecs.ListAccountSettingsInput) (*ecs.ListAccountSettingsOutput, error) {
	if in.MaxResults < 0 || in.MaxResults > 10 {
		return nil, invalid("maxResults must be between 1 and 10.")
	}
	if in.Value != nil && in.Name == "" {
		return nil, invalid("You must specify an account setting name to use the value.")
	}
	p, err := a.principal(ctx, in.PrincipalArn)
	if err != nil {
		return nil, err
	}
	all := []types.Setting{}
	err = a.db.View(ctx, func(tx store.Tx) error {
		for _, s := range settings {
			set, err := AccountSettings.Get(tx, settingKey(p, s.name))
			if err != nil && !missing(err) {
				return err
			}
			if w := s.wire(p, set.Value); (err == nil || in.EffectiveSettings) &&
				(in.Name == "" || in.Name == s.name) && (in.Value == nil || *in.Value == *w.Value) {
				all = append(all, w)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n := in.MaxResults
	if n == 0 {
		n = 10
	}
	all, next, err := page(all, func(s types.Setting) string { return string(s.Name) }, false, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	return &ecs.ListAccountSettingsOutput{Settings: all, NextToken: next}, nil
}
