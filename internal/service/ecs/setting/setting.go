// Package setting finds what principals have set for the account.
package setting

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
)

// Root is the ARN of the account's root user.
func Root(ns arn.Namespace) string { return "arn:aws:iam::" + ns.Account + ":root" }

// Key is the key of an account setting of a principal.
func Key(principal string, name types.SettingName) string {
	return principal + "/" + string(name)
}

// LogsBlock says whether the output of a container whose log options have no
// mode is delivered in the mode blocking: whether the account setting says so.
func LogsBlock(tx store.Tx, ns arn.Namespace) (bool, error) {
	s, _, err := handler.Find(tx, ecs.AccountSettings, Key(Root(ns), types.SettingNameDefaultLogDriverMode))
	return s.Value == "blocking", err
}
