package registry

import (
	"context"
	"errors"
	"net/http"
	"os"

	"github.com/opencontainers/go-digest"
)

// Find returns which manifest ref, a tag or a digest, stands for in a repository,
// for an engine on this host that pulls with a login. Who may pull is decided as
// over HTTP. Errors: *Error.
func (r *Registry) Find(ctx context.Context, user, password, repo, ref string) (dgst, mediaType string, size int64, err error) {
	if user == "" && password == "" {
		return "", "", 0, Unauthorized("authentication required")
	}
	if err := r.records.Authenticate(ctx, user, password); err != nil {
		return "", "", 0, err
	}
	if dgst, err = r.records.Resolve(ctx, repo, ref); err != nil {
		return "", "", 0, err
	}
	content, mediaType, err := r.Manifest(ctx, repo, dgst)
	return dgst, mediaType, int64(len(content)), err
}

// Open opens the file of a manifest or a blob that a repository has, for an
// engine which found the image by Find. The registry never writes to such a file
// again, so its bytes may get another name; GC takes only the registry's. It has
// not looked whether the bytes still have their digest. Errors: *Error.
func (r *Registry) Open(ctx context.Context, repo, dgst string) (*os.File, error) {
	d := digest.Digest(dgst)
	if d.Validate() != nil {
		return nil, badRequest("DIGEST_INVALID", "invalid digest "+dgst)
	}
	r.used.Touch(dgst)
	file, err := r.openBlob(ctx, repo, d)
	if !errors.Is(err, errBlobUnknown) {
		return file, err
	}
	_, err = r.records.Resolve(ctx, repo, dgst)
	if refused, ok := errors.AsType[*Error](err); ok && refused.Status == http.StatusNotFound {
		return r.fetchBlob(ctx, repo, d)
	}
	if err != nil {
		return nil, err
	}
	return r.openFile(d)
}
