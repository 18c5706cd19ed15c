package ecr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
)

// Repository is a repository's record, keyed by its name.
type Repository struct {
	ID         string // its images' keys start with it, so that a namesake made later has none of them
	Name       string
	CreatedAt  time.Time
	Mutability types.ImageTagMutability
	ScanOnPush bool              `json:",omitempty"` // kept without effect: images are not scanned
	Tags       map[string]string `json:",omitempty"`
}

// Image is the record of a pushed manifest, keyed by its repository's ID and
// its digest. It has the fields of registry.Manifest.
type Image struct {
	RepoID       string
	Repo         string
	Digest       string
	Tags         []string `json:",omitempty"`
	MediaType    string
	ArtifactType string   `json:",omitempty"`
	Subject      string   `json:",omitempty"`
	Children     []string `json:",omitempty"`
	Size         int64
	ManifestSize int64
	PushedAt     time.Time
}

func (i Image) key() string { return imageKey(i.RepoID, i.Digest) }

func imageKey(repoID, digest string) string { return repoID + "/" + digest }

var (
	repositories = store.NewTable[Repository]("ecr-repository")
	images       = store.NewTable("ecr-image",
		store.Index[Image]{Name: "tag", Values: func(i Image) []string { return prefixed(i.RepoID+":", i.Tags) }},
		store.Index[Image]{Name: "child", Values: func(i Image) []string { return prefixed(i.RepoID+"@", i.Children) }},
	)
	keys = store.NewTable[signingKey]("ecr-key")
)

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

// Records keeps the repositories and what they hold, and says to the registry
// who may come in. It is the registry.Records.
type Records struct {
	db   store.DB
	ns   arn.Namespace
	host string
	key  []byte // signs passwords
}

var _ registry.Records = (*Records)(nil)

// NewRecords opens the records in db. Host is the registry's address as
// clients dial it, and the first part of every repository's URI.
func NewRecords(ctx context.Context, db store.DB, ns arn.Namespace, host string) (*Records, error) {
	r := &Records{db: db, ns: ns, host: host}
	var err error
	if r.key, err = loadKey(ctx, db); err != nil {
		return nil, err
	}
	return r, r.sweep(ctx)
}

func (r *Records) unknown(name string) string {
	return fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, r.ns.Account)
}

// Repository fails when there is no repository called name.
func (r *Records) Repository(ctx context.Context, name string) error {
	return r.db.View(ctx, func(tx store.Tx) error {
		_, err := r.repository(tx, name)
		return err
	})
}

// repository reads a record; a missing one is the registry's error.
func (r *Records) repository(tx store.Tx, name string) (Repository, error) {
	repo, err := repositories.Get(tx, name)
	if errors.Is(err, store.ErrNotFound) {
		return repo, registry.NameUnknown(r.unknown(name))
	}
	if err != nil {
		return repo, fmt.Errorf("read repository %s: %w", name, err)
	}
	return repo, nil
}

// Repositories lists the names of all repositories in order.
func (r *Records) Repositories(ctx context.Context) ([]string, error) {
	names := []string{}
	err := r.db.View(ctx, func(tx store.Tx) error {
		names = names[:0]
		for repo, err := range repositories.Scan(tx, "", "") {
			if err != nil {
				return fmt.Errorf("list repositories: %w", err)
			}
			names = append(names, repo.Name)
		}
		return nil
	})
	return names, err
}

// Manifests lists what the repository holds, in order of digests.
func (r *Records) Manifests(ctx context.Context, name string) ([]registry.Manifest, error) {
	var out []registry.Manifest
	err := r.db.View(ctx, func(tx store.Tx) error {
		repo, err := repositories.Get(tx, name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read repository %s: %w", name, err)
		}
		list, err := images.List(tx, imageKey(repo.ID, ""))
		if err != nil {
			return fmt.Errorf("list images of %s: %w", name, err)
		}
		out = make([]registry.Manifest, len(list))
		for i, img := range list {
			out[i] = img.manifest()
		}
		return nil
	})
	return out, err
}

func (i Image) manifest() registry.Manifest {
	return registry.Manifest{
		Repo: i.Repo, Digest: i.Digest, Tags: i.Tags, MediaType: i.MediaType, ArtifactType: i.ArtifactType,
		Subject: i.Subject, Children: i.Children, Size: i.Size, ManifestSize: i.ManifestSize, PushedAt: i.PushedAt,
	}
}

func fromManifest(m registry.Manifest, repoID string) Image {
	return Image{
		RepoID: repoID, Repo: m.Repo, Digest: m.Digest, MediaType: m.MediaType, ArtifactType: m.ArtifactType,
		Subject: m.Subject, Children: m.Children, Size: m.Size, ManifestSize: m.ManifestSize, PushedAt: m.PushedAt,
	}
}

// Resolve returns the digest that ref, a tag or a digest, stands for.
func (r *Records) Resolve(ctx context.Context, name, ref string) (digest string, err error) {
	err = r.db.View(ctx, func(tx store.Tx) error {
		repo, err := r.repository(tx, name)
		if err != nil {
			return err
		}
		img, ok, err := find(tx, repo, ref)
		if err != nil {
			return err
		}
		if !ok {
			return registry.ManifestUnknown("Requested image not found")
		}
		digest = img.Digest
		return nil
	})
	return digest, err
}

// find reads the image that ref, a tag or a digest, stands for.
func find(tx store.Tx, repo Repository, ref string) (img Image, ok bool, err error) {
	if isDigest(ref) {
		img, err = images.Get(tx, imageKey(repo.ID, ref))
		if errors.Is(err, store.ErrNotFound) {
			return img, false, nil
		}
		if err != nil {
			return img, false, fmt.Errorf("read image %s@%s: %w", repo.Name, ref, err)
		}
		return img, true, nil
	}
	found, err := images.By(tx, "tag", repo.ID+":"+ref)
	if err != nil || len(found) == 0 {
		return img, false, err
	}
	return found[0], true, nil
}

// Push records m and moves its tag to it; the image that had the tag stays,
// untagged. An immutable tag doesn't move.
func (r *Records) Push(ctx context.Context, m registry.Manifest) error {
	return r.db.Update(ctx, func(tx store.Tx) error {
		repo, err := r.repository(tx, m.Repo)
		if err != nil {
			return err
		}
		img, ok, err := find(tx, repo, m.Digest)
		if err != nil {
			return err
		}
		if !ok {
			img = fromManifest(m, repo.ID)
		}
		for _, tag := range m.Tags {
			if err := untag(tx, repo, tag, m.Digest); err != nil {
				return err
			}
			if !slices.Contains(img.Tags, tag) {
				img.Tags = append(img.Tags, tag)
			}
		}
		return images.Put(tx, img.key(), img)
	})
}

// untag takes the tag from the image that has it, unless that is digest.
func untag(tx store.Tx, repo Repository, tag, digest string) error {
	old, ok, err := find(tx, repo, tag)
	if err != nil || !ok || old.Digest == digest {
		return err
	}
	if repo.Mutability == types.ImageTagMutabilityImmutable {
		return registry.TagInvalid(fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", tag, repo.Name))
	}
	old.Tags = without(old.Tags, tag)
	return images.Put(tx, old.key(), old)
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(t string) bool { return t == s })
}

// Delete removes ref as BatchDeleteImage does: a digest with all its tags, a
// tag alone, and with its last tag the image.
func (r *Records) Delete(ctx context.Context, name, ref string) error {
	id := types.ImageIdentifier{ImageTag: &ref}
	if isDigest(ref) {
		id = types.ImageIdentifier{ImageDigest: &ref}
	}
	_, failure, err := r.deleteImage(ctx, name, id)
	if err != nil {
		return err
	}
	if failure != nil && failure.FailureCode == types.ImageFailureCodeImageNotFound {
		return registry.ManifestUnknown(*failure.FailureReason)
	}
	if failure != nil {
		return registry.Denied(*failure.FailureReason)
	}
	return nil
}

// deleteImage removes one image or tag in a transaction of its own: 100 of
// them may be more than one transaction holds.
func (r *Records) deleteImage(ctx context.Context, name string, id types.ImageIdentifier) (gone []types.ImageIdentifier, failure *types.ImageFailure, err error) {
	err = r.db.Update(ctx, func(tx store.Tx) error {
		gone = nil
		repo, err := r.repository(tx, name)
		if err != nil {
			return err
		}
		var img Image
		if img, failure, err = identify(tx, repo, id); err != nil || failure != nil {
			return err
		}
		if id.ImageTag != nil && len(img.Tags) > 1 {
			gone = []types.ImageIdentifier{{ImageDigest: &img.Digest, ImageTag: id.ImageTag}}
			img.Tags = without(img.Tags, *id.ImageTag)
			return images.Put(tx, img.key(), img)
		}
		if failure, err = referenced(tx, img, id); err != nil || failure != nil {
			return err
		}
		gone = img.identifiers()
		return images.Delete(tx, img.key())
	})
	return gone, failure, err
}

// identify finds the image that id means, or says what is wrong with it.
func identify(tx store.Tx, repo Repository, id types.ImageIdentifier) (Image, *types.ImageFailure, error) {
	digest, tag := deref(id.ImageDigest), deref(id.ImageTag)
	if digest == "" && tag == "" {
		return Image{}, failed(id, types.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null"), nil
	}
	if digest != "" && !isDigest(digest) {
		return Image{}, failed(id, types.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"), nil
	}
	img, ok, err := find(tx, repo, firstOf(digest, tag))
	if err != nil {
		return Image{}, nil, err
	}
	if !ok {
		return Image{}, failed(id, types.ImageFailureCodeImageNotFound, "Requested image not found"), nil
	}
	if digest != "" && tag != "" && !slices.Contains(img.Tags, tag) {
		return Image{}, failed(id, types.ImageFailureCodeImageTagDoesNotMatchDigest, "Image tag does not match the provided digest"), nil
	}
	return img, nil, nil
}

func referenced(tx store.Tx, img Image, id types.ImageIdentifier) (*types.ImageFailure, error) {
	parents, err := images.By(tx, "child", img.RepoID+"@"+img.Digest)
	if err != nil || len(parents) == 0 {
		return nil, err
	}
	digests := make([]string, len(parents))
	for i, p := range parents {
		digests[i] = p.Digest
	}
	return failed(id, types.ImageFailureCodeImageReferencedByManifestList, fmt.Sprintf("Requested image referenced by manifest list: %v", digests)), nil
}

func failed(id types.ImageIdentifier, code types.ImageFailureCode, reason string) *types.ImageFailure {
	return &types.ImageFailure{ImageId: &id, FailureCode: code, FailureReason: &reason}
}

// identifiers names the image once for every tag, or by its digest alone.
func (i Image) identifiers() []types.ImageIdentifier {
	if len(i.Tags) == 0 {
		return []types.ImageIdentifier{{ImageDigest: &i.Digest}}
	}
	ids := make([]types.ImageIdentifier, len(i.Tags))
	for n := range i.Tags {
		ids[n] = types.ImageIdentifier{ImageDigest: &i.Digest, ImageTag: &i.Tags[n]}
	}
	return ids
}

// sweep removes the images that a DeleteRepository left when it was cut off.
func (r *Records) sweep(ctx context.Context) error {
	dead := map[string]bool{}
	err := r.db.View(ctx, func(tx store.Tx) error {
		for img, err := range images.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			dead[img.RepoID] = true
		}
		for repo, err := range repositories.Scan(tx, "", "") {
			if err != nil {
				return err
			}
			delete(dead, repo.ID)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sweep images: %w", err)
	}
	for id := range dead {
		if err := r.sweepRepository(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// sweepChunk images are removed in one transaction, with their index entries.
const sweepChunk = 16

// sweepRepository removes the images of a repository that is gone, in as many
// transactions as it takes.
func (r *Records) sweepRepository(ctx context.Context, id string) error {
	for n := sweepChunk; n == sweepChunk; {
		err := r.db.Update(ctx, func(tx store.Tx) (err error) {
			n, err = sweepSome(tx, id)
			return err
		})
		if err != nil {
			return fmt.Errorf("sweep images: %w", err)
		}
	}
	return nil
}

func sweepSome(tx store.Tx, repoID string) (n int, err error) {
	var gone []Image
	for img, err := range images.Scan(tx, imageKey(repoID, ""), "") {
		if err != nil {
			return 0, err
		}
		if gone = append(gone, img); len(gone) == sweepChunk {
			break
		}
	}
	for _, img := range gone {
		if err := images.Delete(tx, img.key()); err != nil {
			return 0, err
		}
	}
	return len(gone), nil
}

func newRepositoryID() string { return id.Hex(16) }
