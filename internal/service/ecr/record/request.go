package record

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
)

// Invalid refuses a parameter.
func Invalid(format string, args ...any) error {
	return &types.InvalidParameterException{Message: new(fmt.Sprintf(format, args...))}
}

// Constraint refuses a parameter that breaks a rule.
func Constraint(field, rule string) error {
	return Invalid("Invalid parameter at '%s' failed to satisfy constraint: '%s'", field, rule)
}

const namePattern = `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`

var validName = regexp.MustCompile("^(?:" + namePattern + ")$")

// CheckName refuses a name that no repository can have.
func CheckName(field, name string) error {
	switch {
	case len(name) < 2:
		return Constraint(field, "must have length greater than or equal to 2")
	case len(name) > 256:
		return Constraint(field, "must have length less than or equal to 256")
	case !validName.MatchString(name):
		return Constraint(field, "must satisfy regular expression '"+namePattern+"'")
	}
	return nil
}

// Check refuses a name that no repository can have, and any registry but ours.
func (r *Records) Check(registryID, name *string) error {
	if err := CheckName("repositoryName", aws.ToString(name)); err != nil {
		return err
	}
	if registryID != nil && *registryID != r.NS.Account {
		return &types.RepositoryNotFoundException{Message: new(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", *name, *registryID))}
	}
	return nil
}

// OwnRegistry refuses any registry but ours, in requests that name no repository.
func (r *Records) OwnRegistry(field string, registryID *string) error {
	if registryID != nil && *registryID != r.NS.Account {
		return Invalid("Invalid parameter at '%s': there is no registry with id '%s', only '%s'", field, *registryID, r.NS.Account)
	}
	return nil
}

// ForCaller turns an error that records return to the registry into the API's type of it.
func ForCaller(err error) error {
	if e, ok := errors.AsType[*registry.Error](err); ok && e.Code == "NAME_UNKNOWN" {
		return &types.RepositoryNotFoundException{Message: &e.Message}
	}
	return err
}

// View runs f on a snapshot. Its errors are of the API's types.
func View[T any](ctx context.Context, r *Records, f func(tx store.Tx) (T, error)) (T, error) {
	out, err := handler.View(ctx, r.DB, f)
	return out, ForCaller(err)
}

// Update runs f in a transaction. Its errors are of the API's types.
func Update[T any](ctx context.Context, r *Records, f func(tx store.Tx) (T, error)) (T, error) {
	out, err := handler.Update(ctx, r.DB, f)
	return out, ForCaller(err)
}

// Change changes a repository's record and returns it. Its errors are of the API's types.
func (r *Records) Change(ctx context.Context, name string, change func(*Repository) error) (Repository, error) {
	return Update(ctx, r, func(tx store.Tx) (Repository, error) {
		return handler.Change(tx, RepositoryRows, name, r.None, change)
	})
}

// Find reads a repository's record. Its errors are of the API's types.
func (r *Records) Find(ctx context.Context, name string) (Repository, error) {
	return View(ctx, r, func(tx store.Tx) (Repository, error) { return r.Get(tx, name) })
}

// Images lists a repository's images, with their tags, in order of digests. Its errors are of the API's types.
func (r *Records) Images(ctx context.Context, name string) ([]Tagged, error) {
	return View(ctx, r, func(tx store.Tx) (list []Tagged, err error) {
		repo, err := r.Get(tx, name)
		if err != nil {
			return nil, err
		}
		of := make(map[string][]string) // by digest
		for t, err := range TagRows.Peek(tx, TagKey(repo.ID, "")) {
			if err != nil {
				return nil, fmt.Errorf("list tags of %s: %w", name, err)
			}
			of[t.Digest] = append(of[t.Digest], t.Name)
		}
		for img, err := range ImageRows.Scan(tx, ImageKey(repo.ID, ""), "") {
			if err != nil {
				return nil, fmt.Errorf("list images of %s: %w", name, err)
			}
			list = append(list, Tagged{img, of[img.Digest]})
		}
		return list, nil
	})
}

// ARN is that of a repository.
func (r *Records) ARN(name string) string { return r.NS.ARN("ecr", "repository/"+name) }

// URI is where docker finds a repository.
func (r *Records) URI(name string) string { return r.Host + "/" + name }

// ChangeRegistry changes what is set for the registry, and returns it.
func (r *Records) ChangeRegistry(ctx context.Context, change func(*Registry) error) (Registry, error) {
	return handler.Update(ctx, r.DB, func(tx store.Tx) (Registry, error) {
		g, _, err := handler.Find(tx, RegistryRows, RegistryKey)
		if err != nil {
			return g, err
		}
		if err := change(&g); err != nil {
			return g, err
		}
		return g, RegistryRows.Put(tx, RegistryKey, g)
	})
}

// Registry returns what is set for the registry.
func (r *Records) Registry(ctx context.Context) (Registry, error) {
	return handler.View(ctx, r.DB, func(tx store.Tx) (Registry, error) {
		g, _, err := handler.Find(tx, RegistryRows, RegistryKey)
		return g, err
	})
}
