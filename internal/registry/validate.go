package registry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"mime"
	"net/http"
	"regexp"
	"strconv"

	"github.com/distribution/distribution/v3"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// checkManifest holds what a manifest says of others against what there is.
// Whether they are there is distribution's to check.
func (r *Registry) checkManifest(ctx context.Context, repo string, body []byte) error {
	f, err := readFields(body)
	if err != nil {
		return err
	}
	if f.SchemaVersion != 2 {
		return badManifest("its schemaVersion is %d, and only 2 is supported", f.SchemaVersion)
	}
	blobs := f.Layers
	if f.Config != nil {
		blobs = append([]v1.Descriptor{*f.Config}, blobs...)
	}
	if err := checkSizes(blobs, r.blobSize(ctx, repo)); err != nil {
		return err
	}
	manifests := f.Manifests
	if f.Subject != nil {
		manifests = append([]v1.Descriptor{*f.Subject}, manifests...)
	}
	return checkSizes(manifests, r.manifestSize(ctx, repo))
}

// sizeOf returns the bytes of what is called by a digest; there is false when
// the repository hasn't got it.
type sizeOf func(digest.Digest) (size int64, there bool, err error)

// checkSizes refuses descriptors with a size that isn't that of what they
// describe. Only that of what isn't there, as of a layer that lies elsewhere, is
// believed.
func checkSizes(list []v1.Descriptor, of sizeOf) error {
	known := make(map[digest.Digest]int64) // -1: it isn't there
	sum := int64(0)
	for _, d := range list {
		if d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256 {
			return badManifest("%.100q is not a sha256 digest", d.Digest)
		}
		if d.Size < 0 || d.Size > math.MaxInt64-sum {
			return badManifest("it says that %s has %d bytes", d.Digest, d.Size)
		}
		sum += d.Size
		size, ok := known[d.Digest]
		if !ok {
			n, there, err := of(d.Digest)
			if err != nil {
				return err
			}
			if size = n; !there {
				size = -1
			}
			known[d.Digest] = size
		}
		if size >= 0 && size != d.Size {
			return badManifest("it says that %s has %d bytes, and it has %d", d.Digest, d.Size, size)
		}
	}
	return nil
}

func (r *Registry) blobSize(ctx context.Context, repo string) sizeOf {
	return func(dgst digest.Digest) (int64, bool, error) {
		repository, err := r.repository(ctx, repo)
		if err != nil {
			return 0, false, err
		}
		d, err := repository.Blobs(ctx).Stat(ctx, dgst)
		if errors.Is(err, distribution.ErrBlobUnknown) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("look for blob %s@%s: %w", repo, dgst, err)
		}
		return d.Size, true, nil
	}
}

func (r *Registry) manifestSize(ctx context.Context, repo string) sizeOf {
	return func(dgst digest.Digest) (int64, bool, error) {
		content, _, err := r.Manifest(ctx, repo, dgst.String())
		if errors.Is(err, ErrNoManifest) {
			return 0, false, nil
		}
		return int64(len(content)), true, err
	}
}

func badManifest(format string, args ...any) error {
	return badRequest("MANIFEST_INVALID", "the manifest is not valid: "+fmt.Sprintf(format, args...))
}

// chunks is the form of a Content-Range of an upload.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
var chunks = regexp.MustCompile(`^([0-9]{1,18})-([0-9]{1,18})$`)

// checkChunk refuses what distribution takes for a fault of its own, or believes.
func checkChunk(req *http.Request) error {
	if kind := req.Header.Get("Content-Type"); kind != "" && req.Method == http.MethodPatch {
		if t, _, err := mime.ParseMediaType(kind); err != nil || t != "application/octet-stream" {
			return badRequest("BLOB_UPLOAD_INVALID", "the Content-Type of a chunk must be application/octet-stream")
		}
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	values := req.Header.Values("Content-Range")
	if len(values) == 0 {
		return nil
	}
	m := chunks.FindStringSubmatch(values[0])
	if m == nil || len(values) > 1 {
		return errRange
	}
	first, err := strconv.ParseInt(m[1], 10, 64)
	last, err2 := strconv.ParseInt(m[2], 10, 64)
	if err != nil || err2 != nil || last < first {
		return errRange
	}
	if req.ContentLength >= 0 && req.ContentLength != last-first+1 {
		return badRequest("SIZE_INVALID", "Content-Length must be the length of Content-Range")
	}
	return nil
}
