package registry

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry/durable"
	"github.com/skylift/skylift/internal/registry/manifest"
)

// Layer returns the size of a layer; there is false when the repository hasn't got it. The caller may
// rely on it for the grace.
func (r *Registry) Layer(ctx context.Context, repo string, dgst digest.Digest) (size int64, there bool, err error) {
	r.used.Touch(dgst.String())
	return r.blobSize(ctx, repo)(dgst)
}

// StartUpload begins the upload of a layer in parts.
func (r *Registry) StartUpload(ctx context.Context, repo string) (id string, err error) {
	if r.full() {
		return "", errDiskFull
	}
	err = r.within(ctx, func() (err error) {
		id, err = r.uploads.Start(ctx, repo)
		return err
	})
	return id, err
}

// Upload adds a part to an upload. Errors: those of parts.
func (r *Registry) Upload(ctx context.Context, repo, id string, first int64, part []byte) error {
	return r.within(ctx, func() error { return r.uploads.Append(ctx, repo, id, first, part) })
}

// FinishUpload makes a layer of an upload. Errors: those of parts.
func (r *Registry) FinishUpload(ctx context.Context, repo, id string, digests ...digest.Digest) error {
	for _, d := range digests {
		r.used.Touch(d.String())
	}
	return r.within(ctx, func() error { return r.uploads.Finish(ctx, repo, id, digests...) })
}

// Receive takes in a layer of another registry. Errors: those of parts.
func (r *Registry) Receive(ctx context.Context, repo string, dgst digest.Digest, from io.Reader) error {
	r.used.Touch(dgst.String())
	return r.uploads.Receive(ctx, repo, dgst, from)
}

// Stage keeps the bytes of a manifest of another registry, whose layers aren't here yet. It is served to whoever Records resolves
// it for, until GC; Put makes it an image.
func (r *Registry) Stage(ctx context.Context, repo, mediaType string, body []byte) error {
	m, _, err := distribution.UnmarshalManifest(mediaType, body)
	if err != nil {
		return &manifest.InvalidError{Reason: err.Error()}
	}
	var s durable.Session
	defer s.Close()
	ctx = s.In(ctx)
	repository, err := r.repository(ctx, repo)
	if err != nil {
		return err
	}
	manifests, err := repository.Manifests(ctx, storage.SkipLayerVerification())
	if err != nil {
		return fmt.Errorf("keep manifest of %s: %w", repo, err)
	}
	if _, err = manifests.Put(ctx, m); s.Full() {
		return errDiskFull
	}
	if err != nil {
		return fmt.Errorf("keep manifest of %s: %w", repo, err)
	}
	return nil
}

// within does something in a place among the requests that are answered at once.
func (r *Registry) within(ctx context.Context, f func() error) error {
	if err := r.enter(ctx); err != nil {
		return err
	}
	defer func() { <-r.slots }()
	return f()
}

// ServeLayer sends a layer to whoever has a link to it.
func (r *Registry) ServeLayer(w http.ResponseWriter, req *http.Request, repo, dgst string) {
	err := r.within(req.Context(), func() error {
		if err := r.records.Repository(req.Context(), repo); err != nil {
			return err
		}
		r.used.Touch(dgst)
		return r.getBlob(w, req, route{repo: repo, kind: "blobs", ref: dgst})
	})
	if err != nil {
		r.fail(w, req, err)
	}
}
