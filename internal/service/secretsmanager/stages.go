package secretsmanager

import (
	"context"
	"time"

	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

// UpdateSecretVersionStage moves a staging label to another version, or takes it off.
func (a *API) UpdateSecretVersionStage(ctx context.Context, in *sm.UpdateSecretVersionStageInput) (*sm.UpdateSecretVersionStageOutput, error) {
	stage, now := *in.VersionStage, time.Now().UTC()
	s, err := a.edit(ctx, *in.SecretId, func(tx store.Tx, s *Secret) error {
		if err := s.stageFault(stage, in.RemoveFromVersionId, in.MoveToVersionId); err != nil {
			return err
		}
		s.ChangedAt = now
		if in.MoveToVersionId == nil {
			delete(s.Stages, stage)
			return nil
		}
		if _, there, err := handler.Find(tx, versions, versionKey(s.id(), *in.MoveToVersionId)); err != nil || !there {
			if err != nil {
				return err
			}
			return notFound("secret value for VersionId: " + *in.MoveToVersionId)
		}
		s.attach(stage, *in.MoveToVersionId)
		return nil
	})
	return &sm.UpdateSecretVersionStageOutput{ARN: new(a.arn(s)), Name: &s.Name}, err
}

// stageFault is what is wrong with a move of a label.
func (s *Secret) stageFault(stage string, from, to *string) error {
	at, attached := s.Stages[stage]
	switch {
	case from == nil && to == nil:
		return invalid("You must provide RemoveFromVersionId, MoveToVersionId or both.")
	case stage == current && to == nil:
		return invalid("You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed.")
	case attached && from == nil && at != *to:
		return invalid("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, at)
	case from != nil && at != *from:
		return invalid("Staging label %s is not attached to version %s, which RemoveFromVersionId names.", stage, *from)
	}
	return nil
}

// ListSecretVersionIds lists versions, those without a label only when they are
// asked for.
func (a *API) ListSecretVersionIds(ctx context.Context, in *sm.ListSecretVersionIdsInput) (*sm.ListSecretVersionIdsOutput, error) {
	page, err := pages(100).Open(in.MaxResults, in.NextToken, in.SecretId, in.IncludeDeprecated)
	if err != nil {
		return nil, err
	}
	return handler.View(ctx, a.db, func(tx store.Tx) (*sm.ListSecretVersionIdsOutput, error) {
		s, err := a.find(tx, *in.SecretId)
		if err != nil {
			return nil, err
		}
		all := in.IncludeDeprecated != nil && *in.IncludeDeprecated
		list, next, err := handler.Fill(page, handler.Keep(versions.Scan(tx, versionKey(s.id(), ""), page.After),
			func(v Version) bool { return all || len(s.stagesOf(v.ID)) > 0 }), Version.key)
		out := &sm.ListSecretVersionIdsOutput{ARN: new(a.arn(s)), Name: &s.Name, Versions: []types.SecretVersionsListEntry{}, NextToken: next}
		for _, v := range list {
			e := types.SecretVersionsListEntry{VersionId: &v.ID, VersionStages: s.stagesOf(v.ID), CreatedDate: &v.CreatedAt, KmsKeyIds: []string{v.KeyARN}}
			if v.OwnKey {
				e.KmsKeyIds = []string{"DefaultEncryptionKey"}
			}
			if !v.AccessedAt.IsZero() {
				e.LastAccessedDate = &v.AccessedAt
			}
			out.Versions = append(out.Versions, e)
		}
		return out, err
	})
}
