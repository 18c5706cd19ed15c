package users

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"golang.org/x/crypto/bcrypt"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/iam/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

func (a *Users) loginOperations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ChangePassword", a.ChangePassword).OnFound("user: NewPassword", a.callers).Takes("NewPassword OldPassword"),
		wire.Op("CreateLoginProfile", a.CreateLoginProfile).OnFound(oneself, a.found).Takes("Password PasswordResetRequired UserName"),
		wire.Op("DeleteLoginProfile", a.DeleteLoginProfile).OnFound(oneself, a.found).Takes("UserName"),
		wire.Op("GetLoginProfile", a.GetLoginProfile).OnFound(oneself, a.found).Takes("UserName"),
		wire.Op("UpdateLoginProfile", a.UpdateLoginProfile).OnFound("user: UserName", a.found).Takes("Password PasswordResetRequired UserName"),
	}
}

// callers finds the ARN of the user that calls.
func (a *Users) callers(ctx context.Context, _ []string) []string {
	return []string{caller.From(ctx).ARN}
}

// maxPassword is how long a password may be, in bytes, because of bcrypt.
const maxPassword = 72

func hash(password string) (string, error) {
	if len(password) > maxPassword {
		return "", weak("Password must not be longer than %d bytes.", maxPassword)
	}
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	return string(h), nil
}

func weak(format string, args ...any) error {
	return &types.PasswordPolicyViolationException{Message: new(fmt.Sprintf(format, args...))}
}

// symbols are those that a password may have to have
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html).
const symbols = "! @ # $ % ^ & * ( ) _ + - = [ ] { } | '"

// usualRules are those of an account without a password policy
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_passwords_account-policy.html#default-policy-details):
// three of the four kinds of characters.
const (
	usualLength = 8
	usualKinds  = 3
)

// kinds says which kinds of characters a password has.
func kinds(password string) (uppers, lowers, numbers, others bool) {
	for _, r := range password { // letters of the Latin alphabet
		uppers = uppers || 'A' <= r && r <= 'Z'
		lowers = lowers || 'a' <= r && r <= 'z'
		numbers = numbers || '0' <= r && r <= '9'
		others = others || r != ' ' && strings.ContainsRune(symbols, r)
	}
	return uppers, lowers, numbers, others
}

// checkPassword holds a password to the account's policy.
func checkPassword(r *record.PasswordRules, u record.User, password string) error {
	uppers, lowers, numbers, others := kinds(password)
	if r == nil {
		n := 0
		for _, has := range []bool{uppers, lowers, numbers, others} {
			if has {
				n++
			}
		}
		switch {
		case len(password) < usualLength:
			return weak("Password should have a minimum length of %d", usualLength)
		case n < usualKinds:
			return weak("Password should have at least %d of the following: uppercase letters, lowercase letters, numbers, symbols", usualKinds)
		case strings.EqualFold(password, u.Name):
			return weak("Password must not be the name of the user")
		}
		return nil
	}
	for _, rule := range []struct {
		broken bool
		words  string
	}{
		{len(password) < int(r.MinLength), fmt.Sprintf("Password should have a minimum length of %d", r.MinLength)},
		{r.Uppers && !uppers, "Password should have at least one uppercase letter"},
		{r.Lowers && !lowers, "Password should have at least one lowercase letter"},
		{r.Numbers && !numbers, "Password should have at least one number"},
		{r.Symbols && !others, "Password should have at least one symbol"},
	} {
		if rule.broken {
			return weak("%s", rule.words)
		}
	}
	return nil
}

// same says whether a password is that of a hash.
func same(hash, password string) bool {
	return bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil
}

// again says whether the account's policy forbids to take a password that the user had.
func again(r *record.PasswordRules, l *record.Login, password string) bool {
	if r == nil || r.Reuse == 0 {
		return false
	}
	for i, old := range append([]string{l.Hash}, l.Old...) {
		if i < int(r.Reuse) && same(old, password) {
			return true
		}
	}
	return false
}

// maxOld is how many passwords a policy can remember.
const maxOld = 24

// look reads a user and the password policy. Passwords are hashed and compared outside of transactions, since that
// takes long.
func (a *Users) look(ctx context.Context, name string) (u record.User, rules *record.PasswordRules, err error) {
	err = a.DB.View(ctx, func(tx store.Tx) error {
		if u, err = record.AsUser.Get(tx, name); err != nil {
			return err
		}
		s, _, err := handler.Find(tx, record.Account, record.AccountKey)
		rules = s.Passwords
		return err
	})
	return u, rules, err
}

// errMeanwhile says that a password was changed between a look and its change.
var errMeanwhile = errors.New("the password was changed meanwhile")

// setLogin puts a login profile in the place of the one that was looked at.
func (a *Users) setLogin(ctx context.Context, seen record.User, login *record.Login) error {
	err := a.DB.Update(ctx, func(tx store.Tx) error {
		_, err := record.AsUser.Change(tx, seen.Name, func(u *record.User, _ *record.Entity) error {
			if (u.Login == nil) != (seen.Login == nil) || u.Login != nil && u.Login.Hash != seen.Login.Hash || u.ID != seen.ID {
				return errMeanwhile
			}
			u.Login = login
			return nil
		})
		return err
	})
	if errors.Is(err, errMeanwhile) {
		return &types.EntityTemporarilyUnmodifiableException{Message: new("Login Profile for User " + seen.Name + " is being changed by another call.")}
	}
	return err
}

func noLogin(name string) error {
	return record.NoSuch("Login Profile for User %s cannot be found.", name)
}

// CreateLoginProfile gives a user a password.
func (a *Users) CreateLoginProfile(ctx context.Context, in *iam.CreateLoginProfileInput) (*iam.CreateLoginProfileOutput, error) {
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	if in.Password == nil {
		return nil, record.Invalid("1 validation error detected: Value at 'password' failed to satisfy constraint: Member must not be null")
	}
	u, rules, err := a.look(ctx, name)
	if err != nil {
		return nil, err
	}
	if u.Login != nil {
		return nil, record.Exists("Login Profile for user %s already exists.", u.Name)
	}
	if err := checkPassword(rules, u, *in.Password); err != nil {
		return nil, err
	}
	h, err := hash(*in.Password)
	if err != nil {
		return nil, err
	}
	now := record.Now()
	l := record.Login{Hash: h, Created: now, Changed: now, Reset: in.PasswordResetRequired}
	if err := a.setLogin(ctx, u, &l); err != nil {
		return nil, err
	}
	return &iam.CreateLoginProfileOutput{LoginProfile: describeLogin(u, l)}, nil
}

func describeLogin(u record.User, l record.Login) *types.LoginProfile {
	return &types.LoginProfile{UserName: &u.Name, CreateDate: &l.Created, PasswordResetRequired: l.Reset}
}

// GetLoginProfile tells that a user has a password.
func (a *Users) GetLoginProfile(ctx context.Context, in *iam.GetLoginProfileInput) (*iam.GetLoginProfileOutput, error) {
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	u, _, err := a.look(ctx, name)
	if err == nil && u.Login == nil {
		err = noLogin(u.Name)
	}
	if err != nil {
		return nil, err
	}
	return &iam.GetLoginProfileOutput{LoginProfile: describeLogin(u, *u.Login)}, nil
}

// UpdateLoginProfile changes a user's password, or whether it must be changed.
func (a *Users) UpdateLoginProfile(ctx context.Context, in *iam.UpdateLoginProfileInput) (*iam.UpdateLoginProfileOutput, error) {
	u, rules, err := a.look(ctx, *in.UserName)
	if err == nil && u.Login == nil {
		err = noLogin(u.Name)
	}
	if err != nil {
		return nil, err
	}
	l := *u.Login
	if in.Password != nil {
		if l, err = renew(rules, u, *in.Password); err != nil {
			return nil, err
		}
	}
	if in.PasswordResetRequired != nil {
		l.Reset = *in.PasswordResetRequired
	}
	return &iam.UpdateLoginProfileOutput{}, a.setLogin(ctx, u, &l)
}

// renew makes the login profile with another password.
func renew(rules *record.PasswordRules, u record.User, password string) (record.Login, error) {
	l := *u.Login
	if err := checkPassword(rules, u, password); err != nil {
		return l, err
	}
	if again(rules, u.Login, password) {
		return l, weak("Password has been used before and cannot be used again")
	}
	h, err := hash(password)
	l.Old = append([]string{l.Hash}, l.Old...)
	l.Old = l.Old[:min(len(l.Old), maxOld)]
	l.Hash, l.Changed, l.Reset = h, record.Now(), false
	return l, err
}

// DeleteLoginProfile takes a user's password away.
func (a *Users) DeleteLoginProfile(ctx context.Context, in *iam.DeleteLoginProfileInput) (*iam.DeleteLoginProfileOutput, error) {
	name, err := a.named(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*iam.DeleteLoginProfileOutput, error) {
		_, err := record.AsUser.Change(tx, name, func(u *record.User, _ *record.Entity) error {
			if u.Login == nil {
				return noLogin(u.Name)
			}
			u.Login = nil
			return nil
		})
		return &iam.DeleteLoginProfileOutput{}, err
	})
}

// ChangePassword changes the caller's own password. Who may is said by policies and, without one, by the account's
// password policy.
func (a *Users) ChangePassword(ctx context.Context, in *iam.ChangePasswordInput) (*iam.ChangePasswordOutput, error) {
	name, err := a.named(ctx, nil)
	if err != nil {
		return nil, &types.InvalidUserTypeException{Message: new("Only IAM Users can change their own password")}
	}
	u, rules, err := a.look(ctx, name)
	if err == nil && u.Login == nil {
		err = noLogin(u.Name)
	}
	if err != nil {
		return nil, err
	}
	if rules.Expired(u.Login.Changed) {
		return nil, weak("The password is expired, and an administrator has to set a new one")
	}
	if !same(u.Login.Hash, *in.OldPassword) {
		return nil, record.Denied("The old password was incorrect.")
	}
	l, err := renew(rules, u, *in.NewPassword)
	if err != nil {
		return nil, err
	}
	return &iam.ChangePasswordOutput{}, a.setLogin(ctx, u, &l)
}
