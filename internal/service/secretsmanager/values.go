package secretsmanager

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// The staging labels that the service moves by itself.
const (
	current  = "AWSCURRENT"
	previous = "AWSPREVIOUS"
	pending  = "AWSPENDING"
)

// Versions without a label are removed when there are more than maxVersions, unless
// they are younger than young
// (https://docs.aws.amazon.com/secretsmanager/latest/userguide/whats-in-a-secret.html).
const (
	maxVersions = 100
	young       = 24 * time.Hour
)

// value is a value that a call brings, and the id of the version that is to have it.
type value struct {
	token  string
	plain  []byte
	binary bool
}

func valueOf(token, text *string, binary []byte) value {
	v := value{token: deref(token), plain: binary, binary: binary != nil}
	if text != nil {
		v.plain = []byte(*text)
	}
	if v.token == "" {
		v.token = id.UUID()
	}
	return v
}

func (v value) there() bool { return v.plain != nil }

func exists(text string) error { return &types.ResourceExistsException{Message: &text} }

func isNotFound(err error) bool {
	_, is := errors.AsType[*types.ResourceNotFoundException](err)
	return is
}

// context is the encryption context of a version's value.
func (a *API) context(s Secret, version string) map[string]string {
	return map[string]string{"SecretARN": a.arn(s), "SecretVersionId": version}
}

// sealed makes the record of a version with that value.
func (a *API) sealed(ctx context.Context, s Secret, val value, now time.Time) (Version, error) {
	sealed, key, err := a.keys.Seal(ctx, s.KeyID, a.context(s, val.token), val.plain)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		if e.ErrorCode() == "AccessDeniedException" {
			return Version{}, noKMS(e)
		}
		return Version{}, &types.EncryptionFailure{Message: new("Secrets Manager can't encrypt the protected secret text using the provided KMS key. Check that the KMS key is available, enabled, and not in an invalid state. " + e.ErrorCode() + ": " + e.ErrorMessage())}
	}
	return Version{SecretID: s.id(), ID: val.token, CreatedAt: now, Binary: val.binary, KeyARN: key, OwnKey: s.KeyID == "", Sealed: sealed}, err
}

// noKMS says that the caller may not use the key.
func noKMS(e smithy.APIError) error {
	return awserr.New(e.ErrorCode(), "Access to KMS is not allowed. %s", e.ErrorMessage())
}

// open returns the value of a version.
func (a *API) open(ctx context.Context, s Secret, v Version) ([]byte, error) {
	plain, err := a.keys.Open(ctx, a.context(s, v.ID), v.Sealed)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		if e.ErrorCode() == "AccessDeniedException" {
			return nil, noKMS(e)
		}
		return nil, &types.DecryptionFailure{Message: new("Secrets Manager can't decrypt the protected secret text using the provided KMS key. " + e.ErrorCode() + ": " + e.ErrorMessage())}
	}
	if err != nil {
		return nil, fmt.Errorf("open version %s of secret %s: %w", v.ID, s.Name, err)
	}
	return plain, nil
}

// same says whether a version has that value.
func (a *API) same(ctx context.Context, s Secret, v Version, val value) (bool, error) {
	plain, err := a.open(ctx, s, v)
	return v.Binary == val.binary && subtle.ConstantTimeCompare(plain, val.plain) == 1, err
}

func putFaults(in *sm.PutSecretValueInput) []error {
	var f awserr.Faults
	f.Add(bothFault(in.SecretString, in.SecretBinary))
	if in.SecretString == nil && in.SecretBinary == nil {
		f.Add(invalid("You must provide either SecretString or SecretBinary."))
	}
	return f
}

// PutSecretValue gives a secret another version. The same call again, by its token,
// is that version.
func (a *API) PutSecretValue(ctx context.Context, in *sm.PutSecretValueInput) (*sm.PutSecretValueOutput, error) {
	if err := awserr.Faults(putFaults(in)).First(); err != nil {
		return nil, err
	}
	stages := in.VersionStages
	if len(stages) == 0 {
		stages = []string{current}
	}
	val := valueOf(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	s, err := a.put(ctx, *in.SecretId, val, stages, func(*Secret) {})
	return &sm.PutSecretValueOutput{ARN: new(a.arn(s)), Name: &s.Name, VersionId: &val.token, VersionStages: s.stagesOf(val.token)}, err
}

// put gives a secret a version with labels, and changes it otherwise as change does.
func (a *API) put(ctx context.Context, ref string, val value, stages []string, change func(*Secret)) (Secret, error) {
	now := time.Now().UTC()
	s, err := a.read(ctx, ref)
	if err != nil {
		return s, err
	}
	has, err := handler.View(ctx, a.db, func(tx store.Tx) (Version, error) {
		has, _, err := handler.Find(tx, versions, versionKey(s.id(), val.token))
		return has, err
	})
	if err != nil {
		return s, err
	}
	if has.ID != "" {
		same, err := a.same(ctx, s, has, val)
		if err == nil && !same {
			err = exists("A version with the ID " + val.token + " already exists, and has another value.")
		}
		return s, err
	}
	change(&s)
	v, err := a.sealed(ctx, s, val, now)
	if err != nil {
		return s, err
	}
	return a.edit(ctx, ref, func(tx store.Tx, now *Secret) error {
		stages := slices.Clone(stages) // it may run again
		if now.id() != s.id() {
			return noSecret(ref)
		}
		if _, there, err := handler.Find(tx, versions, v.key()); err != nil || there {
			return errors.Join(err, exists("A version with the ID "+val.token+" already exists."))
		}
		change(now)
		now.ChangedAt = v.CreatedAt
		if now.Stages[current] == "" && !slices.Contains(stages, current) {
			stages = append([]string{current}, stages...)
		}
		for _, stage := range stages {
			now.attach(stage, v.ID)
		}
		if err := versions.Put(tx, v.key(), v); err != nil {
			return err
		}
		return trim(tx, *now, v.CreatedAt)
	})
}

// attach moves a label to a version. The version that was current becomes the
// previous one.
func (s *Secret) attach(stage, version string) {
	if was := s.Stages[current]; stage == current && was != "" && was != version {
		s.Stages[previous] = was
	}
	s.Stages[stage] = version
}

// trim removes old versions without a label.
func trim(tx store.Tx, s Secret, now time.Time) error {
	all, err := versions.List(tx, versionKey(s.id(), ""))
	if err != nil || len(all) <= maxVersions {
		return err
	}
	slices.SortFunc(all, func(x, y Version) int { return x.CreatedAt.Compare(y.CreatedAt) })
	left := len(all)
	for _, v := range all {
		if left <= maxVersions || now.Sub(v.CreatedAt) < young {
			return nil
		}
		if len(s.stagesOf(v.ID)) > 0 {
			continue
		}
		if err := versions.Delete(tx, v.key()); err != nil {
			return err
		}
		left--
	}
	return nil
}

// version returns the version with an id or a label; without both, the current one.
func version(tx store.Tx, s Secret, id, stage *string) (Version, error) {
	label := deref(stage)
	if id == nil && stage == nil {
		label = current
	}
	if id == nil {
		at, ok := s.Stages[label]
		if !ok {
			return Version{}, notFound("secret value for staging label: " + label)
		}
		id = &at
	}
	v, there, err := handler.Find(tx, versions, versionKey(s.id(), *id))
	switch {
	case err == nil && !there:
		return v, notFound("secret value for VersionId: " + *id)
	case err == nil && label != "" && s.Stages[label] != *id:
		return v, refused("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, err
}

// GetSecretValue returns a value: that of a version, of the one with a label, or
// the current one.
func (a *API) GetSecretValue(ctx context.Context, in *sm.GetSecretValueInput) (*sm.GetSecretValueOutput, error) {
	var s Secret
	v, err := handler.View(ctx, a.db, func(tx store.Tx) (v Version, err error) {
		if s, err = a.live(tx, *in.SecretId); err != nil {
			return v, err
		}
		return version(tx, s, in.VersionId, in.VersionStage)
	})
	if err != nil {
		return nil, err
	}
	plain, err := a.open(ctx, s, v)
	if err != nil {
		return nil, err
	}
	a.accessed(ctx, s, v)
	out := &sm.GetSecretValueOutput{ARN: new(a.arn(s)), Name: &s.Name, VersionId: &v.ID, VersionStages: s.stagesOf(v.ID), CreatedDate: &v.CreatedAt}
	if v.Binary {
		out.SecretBinary = plain
	} else {
		out.SecretString = new(string(plain))
	}
	return out, nil
}

// accessed notes the day of an access, once a day. Where that can't be written, as
// on a full disk, the value is told all the same.
func (a *API) accessed(ctx context.Context, s Secret, v Version) {
	today := day(time.Now())
	if s.AccessedAt.Equal(today) && v.AccessedAt.Equal(today) {
		return
	}
	_ = a.db.Update(ctx, func(tx store.Tx) error {
		now, err := a.find(tx, a.arn(s))
		if err != nil {
			return err
		}
		is, err := versions.Get(tx, v.key())
		if err != nil {
			return err
		}
		now.AccessedAt, is.AccessedAt = today, today
		return errors.Join(Secrets.Put(tx, now.Name, now), versions.Put(tx, is.key(), is))
	})
}

func updateFaults(in *sm.UpdateSecretInput) []error {
	var f awserr.Faults
	f.Add(describedFault(in.Description), bothFault(in.SecretString, in.SecretBinary))
	return f
}

// UpdateSecret changes a secret, and gives it another version if it has a value.
// Another key seals the versions that are in use anew.
func (a *API) UpdateSecret(ctx context.Context, in *sm.UpdateSecretInput) (*sm.UpdateSecretOutput, error) {
	if err := awserr.Faults(updateFaults(in)).First(); err != nil {
		return nil, err
	}
	change := func(s *Secret) {
		if in.Description != nil {
			s.Description = *in.Description
		}
		if in.KmsKeyId != nil {
			s.KeyID = *in.KmsKeyId
		}
	}
	if in.KmsKeyId != nil {
		if err := a.reseal(ctx, *in.SecretId, *in.KmsKeyId); err != nil {
			return nil, err
		}
	}
	val := valueOf(in.ClientRequestToken, in.SecretString, in.SecretBinary)
	if val.there() {
		s, err := a.put(ctx, *in.SecretId, val, []string{current}, change)
		return &sm.UpdateSecretOutput{ARN: new(a.arn(s)), Name: &s.Name, VersionId: &val.token}, err
	}
	now := time.Now().UTC()
	s, err := a.edit(ctx, *in.SecretId, func(_ store.Tx, s *Secret) error {
		change(s)
		s.ChangedAt = now
		return nil
	})
	return &sm.UpdateSecretOutput{ARN: new(a.arn(s)), Name: &s.Name}, err
}

// reseal seals the current, the pending and the previous version under another key,
// from now on the secret's.
func (a *API) reseal(ctx context.Context, ref, key string) error {
	var all []Version
	s, err := handler.View(ctx, a.db, func(tx store.Tx) (Secret, error) {
		all = nil
		s, err := a.live(tx, ref)
		for _, stage := range []string{current, pending, previous} {
			v, there, bad := handler.Find(tx, versions, versionKey(s.id(), s.Stages[stage]))
			err = errors.Join(err, bad)
			if there {
				all = append(all, v)
			}
		}
		return s, err
	})
	if err != nil {
		return err
	}
	s.KeyID = key
	old := make(map[string][]byte)
	for i, v := range all {
		plain, err := a.open(ctx, s, v)
		if err != nil {
			return err
		}
		old[v.key()] = v.Sealed
		again, err := a.sealed(ctx, s, value{v.ID, plain, v.Binary}, v.CreatedAt)
		if err != nil {
			return err
		}
		again.AccessedAt = v.AccessedAt
		all[i] = again
	}
	_, err = a.edit(ctx, a.arn(s), func(tx store.Tx, now *Secret) error {
		now.KeyID = key
		for _, v := range all {
			if is, there, err := handler.Find(tx, versions, v.key()); err != nil || !there || !bytes.Equal(is.Sealed, old[v.key()]) {
				if err != nil {
					return err
				}
				continue // another call was first, or it has gone
			}
			if err := versions.Put(tx, v.key(), v); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}
