package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry/durable"
	"github.com/skylift/skylift/internal/registry/manifest"
)

// Pushed is a manifest as a client pushes it.
type Pushed struct {
	Repo      string
	Tag       string // "": it has none
	MediaType string
	Body      []byte
}

// Put has distribution check a manifest and store it under its digest, and then has it recorded: by
// Records.Push, or what does that in its place. Errors: *Error, *Refusal, *manifest.InvalidError, and record's.
func (r *Registry) Put(ctx context.Context, p Pushed, record func(context.Context, Manifest) error) (m Manifest, err error) {
	if r.full() {
		return m, errDiskFull
	}
	err = r.within(ctx, func() (err error) {
		m, err = r.put(ctx, p, record)
		return err
	})
	return m, err
}

// put is Put within the bounds of the registry.
func (r *Registry) put(ctx context.Context, p Pushed, record func(context.Context, Manifest) error) (m Manifest, err error) {
	m = Manifest{Repo: p.Repo, Digest: digest.FromBytes(p.Body).String(), PushedAt: time.Now(), ManifestSize: int64(len(p.Body))}
	if p.Tag != "" {
		m.Tags = []string{p.Tag}
	}
	says, err := manifest.Read(p.Body)
	if err != nil {
		return m, err
	}
	r.pushing.RLock()
	defer r.pushing.RUnlock()
	if err := says.Check(r.blobSize(ctx, p.Repo), r.manifestSize(ctx, p.Repo)); err != nil {
		return m, err
	}
	if err := r.storeManifest(ctx, p, m.Digest); err != nil {
		return m, err
	}
	if err := r.describe(ctx, &m, says); err != nil {
		return m, err
	}
	return m, record(context.WithoutCancel(ctx), m)
}

// putManifest stores a manifest that a client pushes.
func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, to route) error {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil {
		return badRequest("MANIFEST_INVALID", "the manifest could not be read")
	}
	if len(body) > maxManifest {
		return errTooLarge
	}
	p := Pushed{Repo: to.repo, Tag: to.ref, MediaType: req.Header.Get("Content-Type"), Body: body}
	if digest.Digest(to.ref).Validate() == nil {
		if p.Tag = ""; to.ref != digest.FromBytes(body).String() {
			return errDigestInvalid
		}
	}
	m, err := r.put(req.Context(), p, r.records.Push)
	if err != nil {
		return err
	}
	if m.Subject != "" {
		w.Header().Set("OCI-Subject", m.Subject)
	}
	w.Header().Set("Location", fmt.Sprintf("/v2/%s/manifests/%s", m.Repo, m.Digest))
	w.Header().Set("Docker-Content-Digest", m.Digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// Refusal is what distribution refuses a manifest with.
type Refusal struct {
	status int
	body   []byte
}

func (e *Refusal) Error() string { return fmt.Sprintf("distribution refuses the manifest: %s", e.body) }

// Missing returns the digests of what the manifest names and the repository lacks.
func (e *Refusal) Missing() (digests []string) {
	var answer struct {
		Errors []struct {
			Code   string
			Detail json.RawMessage
		}
	}
	if json.Unmarshal(e.body, &answer) != nil {
		return nil
	}
	for _, one := range answer.Errors {
		var d string
		if one.Code == "MANIFEST_BLOB_UNKNOWN" && json.Unmarshal(one.Detail, &d) == nil {
			digests = append(digests, d)
		}
	}
	return digests
}

func (e *Refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(e.status)
	w.Write(e.body) //nolint:errcheck // a client that went away
}

// storeManifest hands the manifest to distribution.
func (r *Registry) storeManifest(ctx context.Context, p Pushed, dgst string) error {
	var s durable.Session
	defer s.Close()
	put, err := http.NewRequestWithContext(s.In(ctx), http.MethodPut, fmt.Sprintf("http://registry/v2/%s/manifests/%s", p.Repo, dgst), bytes.NewReader(p.Body))
	if err != nil {
		return fmt.Errorf("make request for distribution: %w", err)
	}
	put.Header.Set("Content-Type", p.MediaType)
	var answer recorder
	r.app.ServeHTTP(&answer, put)
	switch {
	case s.Full():
		return errDiskFull
	case answer.status == http.StatusCreated:
		return nil
	case answer.status >= http.StatusInternalServerError:
		return fmt.Errorf("store manifest: distribution answers %d: %s", answer.status, answer.body.String())
	}
	return &Refusal{answer.status, answer.body.Bytes()}
}

// recorder keeps an answer, to look at it.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header {
	if a.header == nil {
		a.header = http.Header{}
	}
	return a.header
}

func (a *recorder) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *recorder) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// describe fills in what a stored manifest says about itself.
func (r *Registry) describe(ctx context.Context, m *Manifest, f manifest.Manifest) error {
	_, mediaType, err := r.Manifest(ctx, m.Repo, m.Digest)
	if err != nil {
		return err
	}
	m.MediaType, m.ArtifactType, m.Size = mediaType, f.Artifact(), f.Size()
	if f.Subject != nil {
		m.Subject = f.Subject.Digest.String()
	}
	for _, child := range f.Manifests {
		m.Children = append(m.Children, child.Digest.String())
		content, _, err := r.Manifest(ctx, m.Repo, child.Digest.String())
		if errors.Is(err, ErrNoManifest) {
			continue
		}
		if err != nil {
			return err
		}
		image, err := manifest.Read(content)
		if err != nil {
			return err
		}
		m.Size = max(m.Size, image.Size())
	}
	return nil
}
