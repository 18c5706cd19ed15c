// Package account is the part of IAM about the account as a whole: its alias, its password policy, its OpenID Connect
// providers, and reports on all that there is.
package account

import (
	"context"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/service/iam/roles"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// Account answers for the account.
type Account struct {
	record.Kit
	roles *roles.Roles
}

// New returns that part of the service. It describes roles as their own part does.
func New(k record.Kit, r *roles.Roles) *Account { return &Account{k, r} }

// Operations lists what it answers.
func (a *Account) Operations() []wire.Operation {
	return append(a.providerOperations(), []wire.Operation{
		wire.Op("CreateAccountAlias", a.CreateAccountAlias).Takes("AccountAlias"),
		wire.Op("DeleteAccountAlias", a.DeleteAccountAlias).Takes("AccountAlias"),
		wire.Op("DeleteAccountPasswordPolicy", a.DeleteAccountPasswordPolicy),
		wire.Op("GenerateCredentialReport", a.GenerateCredentialReport),
		wire.Op("GetAccountAuthorizationDetails", a.GetAccountAuthorizationDetails).Takes("Filter Marker MaxItems"),
		wire.Op("GetAccountPasswordPolicy", a.GetAccountPasswordPolicy),
		wire.Op("GetAccountSummary", a.GetAccountSummary),
		wire.Op("GetCredentialReport", a.GetCredentialReport),
		wire.Op("ListAccountAliases", a.ListAccountAliases).Takes("Marker MaxItems"),
		wire.Op("UpdateAccountPasswordPolicy", a.UpdateAccountPasswordPolicy).Takes("AllowUsersToChangePassword HardExpiry MaxPasswordAge MinimumPasswordLength " +
			"PasswordReusePrevention RequireLowercaseCharacters RequireNumbers RequireSymbols RequireUppercaseCharacters"),
	}...)
}

// change changes the account's settings.
func (a *Account) change(ctx context.Context, change func(*record.Settings) error) error {
	return a.DB.Update(ctx, func(tx store.Tx) error {
		s, _, err := handler.Find(tx, record.Account, record.AccountKey)
		if err != nil {
			return err
		}
		if err := change(&s); err != nil {
			return err
		}
		return record.Account.Put(tx, record.AccountKey, s)
	})
}

func (a *Account) settings(ctx context.Context) (record.Settings, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (record.Settings, error) {
		s, _, err := handler.Find(tx, record.Account, record.AccountKey)
		return s, err
	})
}

// aliasPattern is AWS's without its look ahead, which forbids two hyphens in a row.
var aliasPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$`)

// CreateAccountAlias names the account, in the place of a name that it had.
func (a *Account) CreateAccountAlias(ctx context.Context, in *iam.CreateAccountAliasInput) (*iam.CreateAccountAliasOutput, error) {
	if !aliasPattern.MatchString(*in.AccountAlias) || strings.Contains(*in.AccountAlias, "--") {
		return nil, record.Input("The account alias %s must consist of lowercase letters, digits and single hyphens.", *in.AccountAlias)
	}
	return &iam.CreateAccountAliasOutput{}, a.change(ctx, func(s *record.Settings) error {
		s.Alias = *in.AccountAlias
		return nil
	})
}

// DeleteAccountAlias takes the account's name away.
func (a *Account) DeleteAccountAlias(ctx context.Context, in *iam.DeleteAccountAliasInput) (*iam.DeleteAccountAliasOutput, error) {
	return &iam.DeleteAccountAliasOutput{}, a.change(ctx, func(s *record.Settings) error {
		if s.Alias != *in.AccountAlias {
			return record.NoSuch("The Account Alias cannot be found.")
		}
		s.Alias = ""
		return nil
	})
}

// ListAccountAliases lists the account's name, if it has one.
func (a *Account) ListAccountAliases(ctx context.Context, _ *iam.ListAccountAliasesInput) (*iam.ListAccountAliasesOutput, error) {
	s, err := a.settings(ctx)
	out := &iam.ListAccountAliasesOutput{AccountAliases: []string{}}
	if s.Alias != "" {
		out.AccountAliases = append(out.AccountAliases, s.Alias)
	}
	return out, err
}

// usualLength is the least length of a password that a policy has which doesn't say it
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html).
const usualLength = 6

// UpdateAccountPasswordPolicy sets the password policy; what a call doesn't say is AWS's default.
func (a *Account) UpdateAccountPasswordPolicy(ctx context.Context, in *iam.UpdateAccountPasswordPolicyInput) (*iam.UpdateAccountPasswordPolicyOutput, error) {
	r := record.PasswordRules{
		MinLength: usualLength, Symbols: in.RequireSymbols, Numbers: in.RequireNumbers, Uppers: in.RequireUppercaseCharacters, Lowers: in.RequireLowercaseCharacters,
		MayChange: in.AllowUsersToChangePassword,
	}
	if in.MinimumPasswordLength != nil {
		r.MinLength = *in.MinimumPasswordLength
	}
	if in.HardExpiry != nil {
		r.HardExpiry = *in.HardExpiry
	}
	if in.MaxPasswordAge != nil {
		r.MaxAge = *in.MaxPasswordAge
	}
	if in.PasswordReusePrevention != nil {
		r.Reuse = *in.PasswordReusePrevention
	}
	return &iam.UpdateAccountPasswordPolicyOutput{}, a.change(ctx, func(s *record.Settings) error {
		s.Passwords = &r
		return nil
	})
}

func noPolicy(account string) error {
	return record.NoSuch("The Password Policy with domain name %s cannot be found.", account)
}

// GetAccountPasswordPolicy returns the password policy.
func (a *Account) GetAccountPasswordPolicy(ctx context.Context, _ *iam.GetAccountPasswordPolicyInput) (*iam.GetAccountPasswordPolicyOutput, error) {
	s, err := a.settings(ctx)
	if err == nil && s.Passwords == nil {
		err = noPolicy(a.Account)
	}
	if err != nil {
		return nil, err
	}
	r := s.Passwords
	out := &types.PasswordPolicy{
		MinimumPasswordLength: &r.MinLength, RequireSymbols: r.Symbols, RequireNumbers: r.Numbers, RequireUppercaseCharacters: r.Uppers, RequireLowercaseCharacters: r.Lowers,
		AllowUsersToChangePassword: r.MayChange, ExpirePasswords: r.MaxAge > 0, HardExpiry: &r.HardExpiry,
	}
	if r.MaxAge > 0 {
		out.MaxPasswordAge = &r.MaxAge
	}
	if r.Reuse > 0 {
		out.PasswordReusePrevention = &r.Reuse
	}
	return &iam.GetAccountPasswordPolicyOutput{PasswordPolicy: out}, nil
}

// DeleteAccountPasswordPolicy takes the password policy away; AWS's default holds then.
func (a *Account) DeleteAccountPasswordPolicy(ctx context.Context, _ *iam.DeleteAccountPasswordPolicyInput) (*iam.DeleteAccountPasswordPolicyOutput, error) {
	return &iam.DeleteAccountPasswordPolicyOutput{}, a.change(ctx, func(s *record.Settings) error {
		if s.Passwords == nil {
			return noPolicy(a.Account)
		}
		s.Passwords = nil
		return nil
	})
}

// GetAccountSummary counts what there is, and tells the quotas.
func (a *Account) GetAccountSummary(ctx context.Context, _ *iam.GetAccountSummaryInput) (*iam.GetAccountSummaryOutput, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) (*iam.GetAccountSummaryOutput, error) {
		m := map[string]int32{
			"UsersQuota": 5000, "GroupsQuota": 300, "RolesQuota": 1000, "InstanceProfilesQuota": 1000, "PoliciesQuota": 1500, "PolicyVersionsInUseQuota": 10000,
			"AccessKeysPerUserQuota": 2, "GroupsPerUserQuota": 10, "SigningCertificatesPerUserQuota": 2, "VersionsPerPolicyQuota": 5, "ServerCertificatesQuota": 20,
			"AttachedPoliciesPerUserQuota": 10, "AttachedPoliciesPerGroupQuota": 10, "AttachedPoliciesPerRoleQuota": 10,
			"PolicySizeQuota": 6144, "UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120, "RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048,
			"AccountAccessKeysPresent": 1, "AccountMFAEnabled": 0, "AccountPasswordPresent": 0, "AccountSigningCertificatesPresent": 0,
			"MFADevices": 0, "MFADevicesInUse": 0, "ServerCertificates": 0, "GlobalEndpointTokenVersion": 1,
		}
		versions := 0
		for p, err := range record.Policies.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			versions += len(p.Versions)
		}
		m["PolicyVersionsInUse"] = int32(versions)
		for _, of := range []struct {
			name string
			n    func() (int, error)
		}{
			{"Users", func() (int, error) { return record.Count(record.Users.Peek(tx, "")) }},
			{"Groups", func() (int, error) { return record.Count(record.Groups.Peek(tx, "")) }},
			{"Roles", func() (int, error) { return record.Count(record.Roles.Peek(tx, "")) }},
			{"Policies", func() (int, error) { return record.Count(record.Policies.Peek(tx, "")) }},
			{"InstanceProfiles", func() (int, error) { return record.Count(record.Profiles.Peek(tx, "")) }},
			{"Providers", func() (int, error) { return record.Count(record.Providers.Peek(tx, "")) }},
		} {
			n, err := of.n()
			if err != nil {
				return nil, err
			}
			m[of.name] = int32(n)
		}
		return &iam.GetAccountSummaryOutput{SummaryMap: m}, nil
	})
}
