package ecr

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/login"
	"github.com/skylift/skylift/internal/store"
)

// Repository is a repository's record, keyed by its name.
type Repository struct {
	ID         string // the keys of its images begin with it, so that a later repository of the same name has none of them
	Name       string
	CreatedAt  time.Time
	Mutability types.ImageTagMutability
	ScanOnPush bool         `json:",omitempty"` // kept without effect: images are not scanned
	Exclusions []string     `json:",omitempty"` // patterns of tags for which the opposite of Mutability holds
	Tags       handler.Tags // empty, not nil, when it had some
}

// Image is the record of a pushed manifest, keyed by its repository's ID and
// its digest. It has the fields of registry.Manifest.
type Image struct {
	RepoID       string
	Repo         string
	Digest       string
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

// Tag says which image a tag of a repository stands for. Its key is the repository's
// ID and the tag. The image exists for as long as the tag does.
type Tag struct {
	RepoID string
	Name   string
	Digest string
}

func (t Tag) key() string { return tagKey(t.RepoID, t.Name) }

func tagKey(repoID, name string) string { return repoID + "/" + name }

var (
	repositories = store.NewTable[Repository]("ecr-repository")
	images       = store.NewTable("ecr-image",
		store.Index[Image]{Name: "child", Values: func(i Image) []string { return prefixed(i.RepoID+"@", i.Children) }},
	).Version(2, tagsApart)
	tags = store.NewTable("ecr-tag",
		store.Index[Tag]{Name: "image", Values: func(t Tag) []string { return []string{imageKey(t.RepoID, t.Digest)} }},
	)
)

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return append(login.Tables(), repositories, images, tags) }

// tagsApart is the step to version 2. Before, an image had its tags in its own record,
// which grew with them.
func tagsApart(_ string, old []byte) (next store.Next, err error) {
	var was struct {
		Image
		Tags []string
	}
	if err := json.Unmarshal(old, &was); err != nil {
		return next, err
	}
	for _, name := range was.Tags {
		t := Tag{RepoID: was.RepoID, Name: name, Digest: was.Digest}
		next.Others = append(next.Others, tags.Record(t.key(), t))
	}
	next.Record, err = json.Marshal(was.Image)
	return next, err
}

func prefixed(prefix string, list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = prefix + s
	}
	return out
}

// Records keeps the repositories and what they hold, and tells the registry
// whose login is good. It implements registry.Records.
type Records struct {
	db   store.DB
	ns   arn.Namespace
	host string
	*login.Passwords
}

var _ registry.Records = (*Records)(nil)

// NewRecords opens the records in db. Host is the address at which clients reach the
// registry. It is the first part of every repository's URI.
func NewRecords(ctx context.Context, db store.DB, ns arn.Namespace, host string) (*Records, error) {
	passwords, err := login.Open(ctx, db, ns)
	if err != nil {
		return nil, err
	}
	r := &Records{db, ns, host, passwords}
	return r, r.sweep(store.Freeing(ctx))
}

// none is the registry's error for a name that no repository has.
func (r *Records) none(name string) error {
	return registry.NameUnknown(fmt.Sprintf("The repository with name '%s' does not exist in the registry with id '%s'", name, r.ns.Account))
}

// Repository fails when there is no repository called name.
func (r *Records) Repository(ctx context.Context, name string) error {
	_, err := handler.View(ctx, r.db, func(tx store.Tx) (Repository, error) { return r.repository(tx, name) })
	return err
}

// repository reads a record; a missing one is the registry's error.
func (r *Records) repository(tx store.Tx, name string) (Repository, error) {
	return handler.Get(tx, repositories, name, r.none)
}

// Repositories lists the names of all repositories in order.
func (r *Records) Repositories(ctx context.Context) ([]string, error) {
	return handler.View(ctx, r.db, func(tx store.Tx) ([]string, error) {
		names := []string{}
		for repo, err := range repositories.Scan(tx, "", "") {
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
	return handler.View(ctx, r.db, func(tx store.Tx) ([]registry.Manifest, error) {
		repo, ok, err := handler.Find(tx, repositories, name)
		if err != nil || !ok {
			return nil, err
		}
		list, err := images.List(tx, imageKey(repo.ID, ""))
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
	return handler.View(ctx, r.db, func(tx store.Tx) ([]string, error) {
		names := []string{}
		repo, ok, err := handler.Find(tx, repositories, name)
		if err != nil || !ok {
			return names, err
		}
		for t, err := range tags.Peek(tx, tagKey(repo.ID, "")) {
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
	return handler.View(ctx, r.db, func(tx store.Tx) (string, error) {
		repo, err := r.repository(tx, name)
		if err != nil {
			return "", err
		}
		img, ok, err := find(tx, repo, ref)
		if err == nil && !ok {
			err = registry.ManifestUnknown("Requested image not found")
		}
		return img.Digest, err
	})
}

// find reads the image that ref stands for: a tag or a digest.
func find(tx store.Tx, repo Repository, ref string) (img Image, ok bool, err error) {
	digest := ref
	if !isDigest(ref) {
		t, ok, err := handler.Find(tx, tags, tagKey(repo.ID, ref))
		if err != nil || !ok {
			return img, false, err
		}
		digest = t.Digest
	}
	return handler.Find(tx, images, imageKey(repo.ID, digest))
}

// tagsOf lists the tags of an image in order.
func tagsOf(tx store.Tx, img Image) (names []string) {
	for key := range tags.Keys(tx, "image", img.key(), "") {
		names = append(names, strings.TrimPrefix(key, tagKey(img.RepoID, "")))
	}
	return names
}

// Push records m and moves its tags to it. An image that loses a tag stays. An
// immutable tag is given only once, also to the same image. How much a push writes
// doesn't depend on how many tags the image has.
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
			if err := images.Put(tx, img.key(), img); err != nil {
				return err
			}
		}
		for _, name := range m.Tags {
			if err := tag(tx, repo, name, img); err != nil {
				return err
			}
		}
		return nil
	})
}

// tag makes a tag stand for an image.
func tag(tx store.Tx, repo Repository, name string, img Image) error {
	t := Tag{RepoID: repo.ID, Name: name, Digest: img.Digest}
	if repo.immutable(name) {
		_, ok, err := handler.Find(tx, tags, t.key())
		if err != nil {
			return err
		}
		if ok {
			return registry.TagInvalid(fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", name, repo.Name))
		}
	}
	return tags.Put(tx, t.key(), t)
}

// identify finds the image that id means, or says what is wrong with it.
func identify(tx store.Tx, repo Repository, id types.ImageIdentifier) (Image, *types.ImageFailure, error) {
	digest, tag := aws.ToString(id.ImageDigest), aws.ToString(id.ImageTag)
	if digest == "" && tag == "" {
		return Image{}, failed(id, types.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null"), nil
	}
	if digest != "" && !isDigest(digest) {
		return Image{}, failed(id, types.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"), nil
	}
	img, ok, err := find(tx, repo, cmp.Or(digest, tag))
	if err != nil {
		return Image{}, nil, err
	}
	if !ok {
		return Image{}, failed(id, types.ImageFailureCodeImageNotFound, "Requested image not found"), nil
	}
	if digest != "" && tag != "" {
		other, ok, err := find(tx, repo, tag)
		if err != nil {
			return Image{}, nil, err
		}
		if !ok || other.Digest != img.Digest {
			return Image{}, failed(id, types.ImageFailureCodeImageTagDoesNotMatchDigest, "Image tag does not match the provided digest"), nil
		}
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

// tagged is an image with its tags, in order.
type tagged struct {
	Image
	Tags []string
}

// identifiers names the image once for each tag, or by its digest when it has none.
func (i tagged) identifiers() []types.ImageIdentifier {
	if len(i.Tags) == 0 {
		return []types.ImageIdentifier{{ImageDigest: &i.Digest}}
	}
	ids := make([]types.ImageIdentifier, len(i.Tags))
	for n := range i.Tags {
		ids[n] = types.ImageIdentifier{ImageDigest: &i.Digest, ImageTag: &i.Tags[n]}
	}
	return ids
}
