// Package account is the handlers of ECS's account settings.
package account

import (
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// Settings answers for account settings.
type Settings struct {
	*scope.Scope
}

// New returns the handlers.
func New(s *scope.Scope) *Settings {
	return &Settings{Scope: s}
}

// nameKey is the condition key of what changes a setting.
const nameKey = "ecs:account-setting: name"

// Operations lists what is implemented.
func (a *Settings) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DeleteAccountSetting", a.DeleteAccountSetting).Keys(nameKey).Takes("name principalArn"),
		wire.Op("ListAccountSettings", a.ListAccountSettings).Takes("effectiveSettings maxResults name nextToken principalArn value"),
		wire.Op("PutAccountSetting", a.PutAccountSetting).Keys(nameKey).Takes("name principalArn value").KeepsKeys("value", keptSettings()),
		wire.Op("PutAccountSettingDefault", a.PutAccountSettingDefault).Keys(nameKey).Takes("name value").KeepsKeys("value", keptSettings()),
	}
}
