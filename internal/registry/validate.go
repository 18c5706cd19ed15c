package registry

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strconv"

	"github.com/distribution/distribution/v3"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry/manifest"
)

func (r *Registry) blobSize(ctx context.Context, repo string) manifest.SizeOf {
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

func (r *Registry) manifestSize(ctx context.Context, repo string) manifest.SizeOf {
	return func(dgst digest.Digest) (int64, bool, error) {
		content, _, err := r.Manifest(ctx, repo, dgst.String())
		if errors.Is(err, ErrNoManifest) {
			return 0, false, nil
		}
		return int64(len(content)), true, err
	}
}

// chunks is the form of a Content-Range of an upload.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-a-blob-in-chunks
var chunks = regexp.MustCompile(`^([0-9]{1,18})-([0-9]{1,18})$`)

// checkChunk refuses ranges that distribution would answer with 5xx, or accept
// unchecked.
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
