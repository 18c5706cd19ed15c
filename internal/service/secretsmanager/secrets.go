package secretsmanager

import (
	"context"
	"crypto/rand"
	"regexp"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

var nameForm = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)

const maxDescription = 2048

func createFaults(in *sm.CreateSecretInput) []error {
	var f awserr.Faults
	if !nameForm.MatchString(*in.Name) {
		f.Add(awserr.New("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!"))
	}
	f.Add(describedFault(in.Description), bothFault(in.SecretString, in.SecretBinary))
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

func describedFault(description *string) error {
	if len(deref(description)) > maxDescription {
		return invalid("The description can't be longer than %d characters.", maxDescription)
	}
	return nil
}

func bothFault(text *string, binary []byte) error {
	if text != nil && binary != nil {
		return invalid("You can't specify both a binary secret value and a string secret value in the same secret.")
	}
	return nil
}

// suffix makes the end of an ARN: six letters and digits.
func suffix() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	b := make([]byte, 6)
	for i := range b {
		b[i] = pick(letters)
	}
	return string(b)
}

// pick returns a random one of letters, each with the same chance.
func pick(letters string) byte {
	most := 256 - 256%len(letters)
	var b [1]byte
	for {
		rand.Read(b[:]) // never fails, by its contract
		if int(b[0]) < most {
			return letters[int(b[0])%len(letters)]
		}
	}
}

// CreateSecret makes a secret, with its first version if it has a value. The same
// call again, by its token, is that secret.
func (a *API) CreateSecret(ctx context.Context, in *sm.CreateSecretInput) (*sm.CreateSecretOutput, error) {
	if err := awserr.Faults(createFaults(in)).First(); err != nil {
		return nil, err
	}
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	now := time.Now().UTC()
	s := Secret{
		Name: *in.Name, Suffix: suffix(), Description: deref(in.Description), KeyID: deref(in.KmsKeyId), CreatedAt: now, ChangedAt: now,
		Tags: tags, Stages: map[string]string{},
	}
	if has, err := a.repeated(ctx, in); err != nil || has != nil {
		return has, err
	}
	val := valueOf(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	out := &sm.CreateSecretOutput{ARN: new(a.arn(s)), Name: &s.Name}
	var v Version
	if val.there() {
		if v, err = a.sealed(ctx, s, val, now); err != nil {
			return nil, err
		}
		out.VersionId, s.Stages[current] = &v.ID, v.ID
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sm.CreateSecretOutput, error) {
		if err := free(tx, s.Name); err != nil {
			return nil, err
		}
		if v.ID != "" {
			if err := versions.Put(tx, v.key(), v); err != nil {
				return nil, err
			}
		}
		return out, Secrets.Put(tx, s.Name, s)
	})
}

// free refuses the name of a secret that is there.
func free(tx store.Tx, name string) error {
	has, there, err := handler.Find(tx, Secrets, name)
	switch {
	case err != nil || !there:
		return err
	case has.marked():
		return refused("You can't create this secret because a secret with this name is already scheduled for deletion.")
	}
	return exists("The operation failed because the secret " + name + " already exists.")
}

// repeated returns the answer of an earlier call with the same token and value.
func (a *API) repeated(ctx context.Context, in *sm.CreateSecretInput) (*sm.CreateSecretOutput, error) {
	val := valueOf(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if in.ClientRequestToken == nil || !val.there() {
		return nil, nil
	}
	var has Secret
	v, err := handler.View(ctx, a.db, func(tx store.Tx) (v Version, err error) {
		if has, _, err = handler.Find(tx, Secrets, *in.Name); err != nil || has.Name == "" || has.marked() {
			return v, err
		}
		v, _, err = handler.Find(tx, versions, versionKey(has.id(), val.token))
		return v, err
	})
	if err != nil || v.ID == "" {
		return nil, err
	}
	if same, err := a.same(ctx, has, v, val); err != nil || !same {
		return nil, err
	}
	return &sm.CreateSecretOutput{ARN: new(a.arn(has)), Name: &has.Name, VersionId: &v.ID}, nil
}

// DescribeSecret tells all of a secret but its value.
func (a *API) DescribeSecret(ctx context.Context, in *sm.DescribeSecretInput) (*sm.DescribeSecretOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*sm.DescribeSecretOutput, error) {
		s, err := a.find(tx, *in.SecretId)
		if err != nil {
			return nil, err
		}
		e := a.entry(s)
		return &sm.DescribeSecretOutput{
			ARN: e.ARN, Name: e.Name, Description: e.Description, KmsKeyId: e.KmsKeyId, CreatedDate: e.CreatedDate, LastChangedDate: e.LastChangedDate,
			LastAccessedDate: e.LastAccessedDate, DeletedDate: e.DeletedDate, Tags: e.Tags, VersionIdsToStages: e.SecretVersionsToStages,
		}, nil
	})
}

// The recovery window of a deletion, in days.
const minWindow, maxWindow, usualWindow = 7, 30, 30

func deleteFaults(in *sm.DeleteSecretInput) []error {
	var f awserr.Faults
	days := in.RecoveryWindowInDays
	if days != nil && (*days < minWindow || *days > maxWindow) {
		f.Add(invalid("The RecoveryWindowInDays value must be between %d and %d days (inclusive).", minWindow, maxWindow))
	}
	if days != nil && forced(in) {
		f.Add(invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."))
	}
	return f
}

func forced(in *sm.DeleteSecretInput) bool {
	return in.ForceDeleteWithoutRecovery != nil && *in.ForceDeleteWithoutRecovery
}

// DeleteSecret deletes a secret after its recovery window, or at once when it is
// forced to. A forced deletion of what isn't there succeeds.
func (a *API) DeleteSecret(ctx context.Context, in *sm.DeleteSecretInput) (*sm.DeleteSecretOutput, error) {
	if err := awserr.Faults(deleteFaults(in)).First(); err != nil {
		return nil, err
	}
	days, now := int64(usualWindow), time.Now().UTC()
	if in.RecoveryWindowInDays != nil {
		days = *in.RecoveryWindowInDays
	}
	at := now.AddDate(0, 0, int(days))
	return handler.Update(store.Freeing(ctx), a.db, func(tx store.Tx) (*sm.DeleteSecretOutput, error) {
		s, err := a.find(tx, *in.SecretId)
		out := &sm.DeleteSecretOutput{ARN: new(a.arn(s)), Name: &s.Name, DeletionDate: &at}
		switch {
		case forced(in) && isNotFound(err):
			s.Name, s.Suffix = *in.SecretId, suffix()
			return &sm.DeleteSecretOutput{ARN: new(a.arn(s)), Name: &s.Name, DeletionDate: &now}, nil
		case err != nil:
			return nil, err
		case forced(in):
			out.DeletionDate = &now
			return out, remove(tx, s)
		case s.marked():
			return nil, refused("You can't perform this operation on the secret because it was already scheduled for deletion.")
		}
		s.DeletedAt = at
		return out, Secrets.Put(tx, s.Name, s)
	})
}

// RestoreSecret keeps a secret that was to be deleted.
func (a *API) RestoreSecret(ctx context.Context, in *sm.RestoreSecretInput) (*sm.RestoreSecretOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*sm.RestoreSecretOutput, error) {
		s, err := a.find(tx, *in.SecretId)
		if err != nil {
			return nil, err
		}
		s.DeletedAt = time.Time{}
		return &sm.RestoreSecretOutput{ARN: new(a.arn(s)), Name: &s.Name}, Secrets.Put(tx, s.Name, s)
	})
}

// RotateSecret refuses: a secret is rotated by a Lambda function, and none can be
// associated with one here. UpdateSecretVersionStage is for people's own rotation.
func (a *API) RotateSecret(ctx context.Context, in *sm.RotateSecretInput) (*sm.RotateSecretOutput, error) {
	if _, err := a.read(ctx, *in.SecretId); err != nil {
		return nil, err
	}
	return nil, refused("No Lambda rotation function ARN is associated with this secret.")
}

// Due deletes a secret whose recovery window is over. It returns how long it is
// until it must be called again; 0 is never.
func (a *API) Due(ctx context.Context, name string) (again time.Duration, err error) {
	now := time.Now()
	return handler.Update(store.Freeing(ctx), a.db, func(tx store.Tx) (time.Duration, error) {
		s, there, err := handler.Find(tx, Secrets, name)
		switch {
		case err != nil || !there || !s.marked():
			return 0, err
		case now.Before(s.DeletedAt):
			return s.DeletedAt.Sub(now), nil
		}
		return 0, remove(tx, s)
	})
}
