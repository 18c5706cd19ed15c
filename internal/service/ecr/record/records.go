package record

import (
	"context"
	"fmt"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/login"
	"github.com/skylift/skylift/internal/store"
)

// Records keeps the repositories and what they hold, and tells the registry
// whose login is good. It implements registry.Records.
type Records struct {
	DB   store.DB
	NS   arn.Namespace
	Host string // the address at which clients reach the registry
	*login.Passwords
}

var _ registry.Records = (*Records)(nil)

// Open opens the records in db. Host is the address at which clients reach the
// registry. It is the first part of every repository's URI.
func Open(ctx context.Context, db store.DB, ns arn.Namespace, host string) (*Records, error) {
	passwords, err := login.Open(ctx, db, ns)
	if err != nil {
		return nil, err
	}
	r := &Records{db, ns, host, passwords}
	return r, r.sweep(store.Freeing(ctx))
}

// None is the registry's error for a name that no repository has.
func (r *Records) None(name string) error {
	return registry.NameUnknown(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, r.NS.Account))
}

// Repository fails when there is no repository called name.
func (r *Records) Repository(ctx context.Context, name string) error {
	_, err := handler.View(ctx, r.DB, func(tx store.Tx) (Repository, error) { return r.Get(tx, name) })
	return err
}

// ForPush is Repository: without templates, a push makes none.
func (r *Records) ForPush(ctx context.Context, name string) error { return r.Repository(ctx, name) }

// Get reads a repository's record; a missing one is the registry's error.
func (r *Records) Get(tx store.Tx, name string) (Repository, error) {
	return handler.Get(tx, RepositoryRows, name, r.None)
}

// Repositories lists the names of all repositories in order.
func (r *Records) Repositories(ctx context.Context) ([]string, error) {
	return handler.View(ctx, r.DB, func(tx store.Tx) ([]string, error) {
		names := []string{}
		for repo, err := range RepositoryRows.Scan(tx, "", "") {
			if err != nil {
				return nil, fmt.Errorf("list repositories: %w", err)
			}
			names = append(names, repo.Name)
		}
		return names, nil
	})
}

// Manifests lists what the repository holds, in order of digests.
func (r *Records) Manifests(ctx context.Context, name string) ([]registry.Manifest, error) {
	return handler.View(ctx, r.DB, func(tx store.Tx) ([]registry.Manifest, error) {
		repo, ok, err := handler.Find(tx, RepositoryRows, name)
		if err != nil || !ok {
			return nil, err
		}
		list, err := ImageRows.List(tx, ImageKey(repo.ID, ""))
		if err != nil {
			return nil, fmt.Errorf("list images of %s: %w", name, err)
		}
		out := make([]registry.Manifest, len(list))
		for i, img := range list {
			out[i] = img.manifest()
		}
		return out, nil
	})
}

func (i Image) manifest() registry.Manifest {
	return registry.Manifest{
		Repo: i.Repo, Digest: i.Digest, MediaType: i.MediaType, ArtifactType: i.ArtifactType,
		Subject: i.Subject, Children: i.Children, Size: i.Size, ManifestSize: i.ManifestSize, PushedAt: i.PushedAt,
	}
}

func fromManifest(m registry.Manifest, repoID string) Image {
	return Image{
		RepoID: repoID, Repo: m.Repo, Digest: m.Digest, MediaType: m.MediaType, ArtifactType: m.ArtifactType,
		Subject: m.Subject, Children: m.Children, Size: m.Size, ManifestSize: m.ManifestSize, PushedAt: m.PushedAt,
	}
}

// Tags lists the tags of the repository in order; nothing when it doesn't exist.
func (r *Records) Tags(ctx context.Context, name string) ([]string, error) {
	return handler.View(ctx, r.DB, func(tx store.Tx) ([]string, error) {
		names := []string{}
		repo, ok, err := handler.Find(tx, RepositoryRows, name)
		if err != nil || !ok {
			return names, err
		}
		for t, err := range TagRows.Peek(tx, TagKey(repo.ID, "")) {
			if err != nil {
				return nil, fmt.Errorf("list tags of %s: %w", name, err)
			}
			names = append(names, t.Name)
		}
		return names, nil
	})
}

// Resolve returns the digest that ref stands for: a tag or a digest.
func (r *Records) Resolve(ctx context.Context, name, ref string) (digest string, err error) {
	return handler.View(ctx, r.DB, func(tx store.Tx) (string, error) {
		repo, err := r.Get(tx, name)
		if err != nil {
			return "", err
		}
		img, ok, err := Find(tx, repo, ref)
		if err == nil && !ok {
			err = registry.ManifestUnknown("Requested image not found")
		}
		return img.Digest, err
	})
}
