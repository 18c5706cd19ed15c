package record

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/store"
)

var digests = regexp.MustCompile(`^[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+$`)

// IsDigest tells whether s has the form of a digest.
func IsDigest(s string) bool { return digests.MatchString(s) }

// Find reads the image that ref stands for in a repository: a tag or a digest.
func Find(tx store.Tx, repo Repository, ref string) (img Image, ok bool, err error) {
	digest := ref
	if !IsDigest(ref) {
		t, ok, err := handler.Find(tx, TagRows, TagKey(repo.ID, ref))
		if err != nil || !ok {
			return img, false, err
		}
		digest = t.Digest
	}
	return handler.Find(tx, ImageRows, ImageKey(repo.ID, digest))
}

// FindImage reads the image that a tag or a digest stands for in a repository, with its TagRows.
func FindImage(tx store.Tx, repo Repository, ref string) (Tagged, bool, error) {
	img, ok, err := Find(tx, repo, ref)
	if err != nil || !ok {
		return Tagged{}, false, err
	}
	return Tagged{img, TagsOf(tx, img)}, true, nil
}

// TagsOf lists the tags of an image in order.
func TagsOf(tx store.Tx, img Image) (names []string) {
	for key := range TagRows.Keys(tx, "image", img.Key(), "") {
		names = append(names, strings.TrimPrefix(key, TagKey(img.RepoID, "")))
	}
	return names
}

// Push records m and moves its tags to it. An image that loses a tag stays. An
// immutable tag is given only once, also to the same image. How much a push writes
// doesn't depend on how many tags the image has.
func (r *Records) Push(ctx context.Context, m registry.Manifest) error {
	return r.push(ctx, m, func(store.Tx, Repository, Image) error { return nil })
}

// ErrImageExists says that an image is there, with its tag.
var ErrImageExists = errors.New("the image exists")

// PushNew is Push of an image that isn't there, or hasn't the tag. Error: ErrImageExists.
func (r *Records) PushNew(ctx context.Context, m registry.Manifest) error {
	return r.push(ctx, m, func(tx store.Tx, repo Repository, img Image) error {
		for _, name := range m.Tags {
			t, ok, err := handler.Find(tx, TagRows, TagKey(repo.ID, name))
			if err != nil || !ok || t.Digest != img.Digest {
				return err
			}
		}
		return ErrImageExists
	})
}

// push is Push. Again is asked when the image is there.
func (r *Records) push(ctx context.Context, m registry.Manifest, again func(store.Tx, Repository, Image) error) error {
	return r.DB.Update(ctx, func(tx store.Tx) error {
		repo, err := r.Get(tx, m.Repo)
		if err != nil {
			return err
		}
		img, ok, err := Find(tx, repo, m.Digest)
		if err != nil {
			return err
		}
		if ok {
			err = again(tx, repo, img)
		} else {
			img = fromManifest(m, repo.ID)
			err = errors.Join(ImageRows.Put(tx, img.Key(), img), scanPushed(tx, repo, img))
		}
		if err != nil {
			return err
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
	if repo.Immutable(name) {
		_, ok, err := handler.Find(tx, TagRows, t.Key())
		if err != nil {
			return err
		}
		if ok {
			return registry.TagInvalid(fmt.Sprintf("The image tag '%s' already exists in the '%s' repository and cannot be overwritten because the tag is immutable.", name, repo.Name))
		}
	}
	return TagRows.Put(tx, t.Key(), t)
}

// Checked notes that an upstream registry said at a time what a tag stands for, if it still does.
func (r *Records) Checked(ctx context.Context, name, ref, digest string, at time.Time) error {
	return r.DB.Update(ctx, func(tx store.Tx) error {
		repo, ok, err := handler.Find(tx, RepositoryRows, name)
		if err != nil || !ok {
			return err
		}
		t, ok, err := handler.Find(tx, TagRows, TagKey(repo.ID, ref))
		if err != nil || !ok || t.Digest != digest {
			return err
		}
		t.Checked = at.UTC().Truncate(time.Millisecond)
		return TagRows.Put(tx, t.Key(), t)
	})
}

// Identify finds the image that id means, or says what is wrong with it.
func Identify(tx store.Tx, repo Repository, id types.ImageIdentifier) (Image, *types.ImageFailure, error) {
	digest, tag := aws.ToString(id.ImageDigest), aws.ToString(id.ImageTag)
	if digest == "" && tag == "" {
		return Image{}, Failed(id, types.ImageFailureCodeMissingDigestAndTag, "Invalid request parameters: both tag and digest cannot be null"), nil
	}
	if digest != "" && !IsDigest(digest) {
		return Image{}, Failed(id, types.ImageFailureCodeInvalidImageDigest, "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"), nil
	}
	img, ok, err := Find(tx, repo, cmp.Or(digest, tag))
	if err != nil {
		return Image{}, nil, err
	}
	if !ok {
		return Image{}, Failed(id, types.ImageFailureCodeImageNotFound, "Requested image not found"), nil
	}
	if digest != "" && tag != "" {
		other, ok, err := Find(tx, repo, tag)
		if err != nil {
			return Image{}, nil, err
		}
		if !ok || other.Digest != img.Digest {
			return Image{}, Failed(id, types.ImageFailureCodeImageTagDoesNotMatchDigest, "Image tag does not match the provided digest"), nil
		}
	}
	return img, nil, nil
}

// referenced says that an image is one of an index.
func referenced(tx store.Tx, img Image, id types.ImageIdentifier) (*types.ImageFailure, error) {
	parents, err := ImageRows.By(tx, "child", img.RepoID+"@"+img.Digest)
	if err != nil || len(parents) == 0 {
		return nil, err
	}
	digests := make([]string, len(parents))
	for i, p := range parents {
		digests[i] = p.Digest
	}
	return Failed(id, types.ImageFailureCodeImageReferencedByManifestList, fmt.Sprintf("Requested image referenced by manifest list: %v", digests)), nil
}

// Failed is what a batch operation says of an image that it couldn't do.
func Failed(id types.ImageIdentifier, code types.ImageFailureCode, reason string) *types.ImageFailure {
	return &types.ImageFailure{ImageId: &id, FailureCode: code, FailureReason: &reason}
}

// Tagged is an image with its tags, in order.
type Tagged struct {
	Image
	Tags []string
}

// Identifiers names the image once for each tag, or by its digest when it has none.
func (i Tagged) Identifiers() []types.ImageIdentifier {
	if len(i.Tags) == 0 {
		return []types.ImageIdentifier{{ImageDigest: &i.Digest}}
	}
	ids := make([]types.ImageIdentifier, len(i.Tags))
	for n := range i.Tags {
		ids[n] = types.ImageIdentifier{ImageDigest: &i.Digest, ImageTag: &i.Tags[n]}
	}
	return ids
}

// Named takes a reference of this registry apart: host/name[:tag][@digest]. Version is the
// digest if it has one, else the tag, else latest.
func (r *Records) Named(ref string) (name, version string, ok bool) {
	rest, ok := strings.CutPrefix(ref, r.Host+"/")
	rest, digest, _ := strings.Cut(rest, "@")
	name, tag, _ := strings.Cut(rest, ":")
	return name, cmp.Or(digest, tag, "latest"), ok
}
