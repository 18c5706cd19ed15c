package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/registry/durable"
)

// maxManifest is distribution's bound, and that of the specification.
const maxManifest = 4 << 20

func (r *Registry) serveManifest(w http.ResponseWriter, req *http.Request, to route) error {
	if !tags.MatchString(to.ref) && digest.Digest(to.ref).Validate() != nil {
		if strings.Contains(to.ref, ":") {
			return badRequest("DIGEST_INVALID", "invalid digest "+to.ref)
		}
		return badRequest("TAG_INVALID", "invalid tag "+to.ref)
	}
	if err := checkDigest(to.ref); err != nil {
		return err
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		return r.getManifest(w, req, to)
	case http.MethodPut:
		return r.putManifest(w, req, to)
	case http.MethodDelete:
		return r.deleteManifest(w, req, to)
	default:
		return errMethod
	}
}

func (r *Registry) getManifest(w http.ResponseWriter, req *http.Request, to route) error {
	dgst, err := r.records.Resolve(req.Context(), to.repo, to.ref)
	if err != nil {
		return err
	}
	content, mediaType, err := r.Manifest(req.Context(), to.repo, dgst)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Docker-Content-Digest", dgst)
	h.Set("Etag", `"`+dgst+`"`)
	h.Set("Content-Type", mediaType)
	// Handles HEAD, If-None-Match and ranges; the time is not sent.
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(content))
	return nil
}

// deleteManifest removes the record; GC removes the bytes.
func (r *Registry) deleteManifest(w http.ResponseWriter, req *http.Request, to route) error {
	if err := r.records.Delete(req.Context(), to.repo, to.ref); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// putManifest lets distribution check and store the manifest under its digest,
// and then records it under the tag.
func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, to route) error {
	body, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil {
		return badRequest("MANIFEST_INVALID", "the manifest could not be read")
	}
	if len(body) > maxManifest {
		return errTooLarge
	}
	dgst := digest.FromBytes(body)
	m := Manifest{Repo: to.repo, Digest: dgst.String(), PushedAt: time.Now(), ManifestSize: int64(len(body))}
	if digest.Digest(to.ref).Validate() != nil {
		m.Tags = []string{to.ref}
	} else if to.ref != m.Digest {
		return errDigestInvalid
	}
	r.pushing.RLock()
	defer r.pushing.RUnlock()
	if err := r.checkManifest(req.Context(), to.repo, body); err != nil {
		return err
	}
	if done, err := r.storeManifest(w, req, m, body); done || err != nil {
		return err
	}
	if err := r.describe(req.Context(), &m, body); err != nil {
		return err
	}
	if err := r.records.Push(context.WithoutCancel(req.Context()), m); err != nil {
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

// storeManifest hands the manifest to distribution. When it is refused, done
// is true and the client has the answer.
func (r *Registry) storeManifest(w http.ResponseWriter, req *http.Request, m Manifest, body []byte) (done bool, err error) {
	var s durable.Session
	defer s.Close()
	put, err := http.NewRequestWithContext(s.In(req.Context()), http.MethodPut, fmt.Sprintf("http://%s/v2/%s/manifests/%s", req.Host, m.Repo, m.Digest), bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("make request for distribution: %w", err)
	}
	put.Header = req.Header
	var answer recorder
	r.app.ServeHTTP(&answer, put)
	if s.Full() {
		return false, errDiskFull
	}
	if answer.status == http.StatusCreated {
		return false, nil
	}
	if answer.status >= http.StatusInternalServerError {
		return false, fmt.Errorf("store manifest: distribution answers %d: %s", answer.status, answer.body.String())
	}
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.status)
	w.Write(answer.body.Bytes()) //nolint:errcheck // a client that went away
	return true, nil
}

// recorder keeps an answer, to send it or not.
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

// fields are what is read of a manifest or an index.
type fields struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *v1.Descriptor    `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Manifests     []v1.Descriptor   `json:"manifests"`
	Subject       *v1.Descriptor    `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

// describe fills in what a stored manifest says about itself.
func (r *Registry) describe(ctx context.Context, m *Manifest, body []byte) error {
	_, mediaType, err := r.Manifest(ctx, m.Repo, m.Digest)
	if err != nil {
		return err
	}
	f, err := readFields(body)
	if err != nil {
		return err
	}
	m.MediaType, m.ArtifactType, m.Size = mediaType, f.artifactType(), f.size()
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
		image, err := readFields(content)
		if err != nil {
			return err
		}
		m.Size = max(m.Size, image.size())
	}
	return nil
}

func readFields(body []byte) (f fields, err error) {
	if err := json.Unmarshal(body, &f); err != nil {
		return f, badManifest("%v", err)
	}
	return f, nil
}

func (f fields) artifactType() string {
	if f.ArtifactType == "" && f.Config != nil {
		return f.Config.MediaType
	}
	return f.ArtifactType
}

func (f fields) size() (n int64) {
	if f.Config != nil {
		n = f.Config.Size
	}
	for _, l := range f.Layers {
		n += l.Size
	}
	return n
}

func (r *Registry) catalog(w http.ResponseWriter, req *http.Request) error {
	repos, err := r.records.Repositories(req.Context())
	if err != nil {
		return err
	}
	repos, err = page(w, req, repos)
	if err != nil {
		return err
	}
	return writeJSON(w, "application/json", map[string]any{"repositories": repos})
}

func (r *Registry) listTags(w http.ResponseWriter, req *http.Request, repo string) error {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return errMethod
	}
	list, err := r.records.Tags(req.Context(), repo)
	if err != nil {
		return err
	}
	list, err = page(w, req, list)
	if err != nil {
		return err
	}
	return writeJSON(w, "application/json", map[string]any{"name": repo, "tags": list})
}

// page cuts the sorted list to what ?n= and ?last= ask for, and links to the
// rest.
func page(w http.ResponseWriter, req *http.Request, list []string) ([]string, error) {
	query := req.URL.Query()
	if last := query.Get("last"); last != "" {
		i, found := slices.BinarySearch(list, last)
		if found {
			i++
		}
		list = list[i:]
	}
	if !query.Has("n") {
		return list, nil
	}
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n < 0 {
		return nil, badRequest("PAGINATION_NUMBER_INVALID", "n must be a number that is not negative")
	}
	if n >= len(list) {
		return list, nil
	}
	list = list[:n]
	if n > 0 {
		query.Set("last", list[n-1])
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, req.URL.Path, query.Encode()))
	}
	return list, nil
}

// listReferrers answers with an index of the manifests whose subject is ref.
func (r *Registry) listReferrers(w http.ResponseWriter, req *http.Request, to route) error {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return errMethod
	}
	if digest.Digest(to.ref).Validate() != nil {
		return badRequest("DIGEST_INVALID", "invalid digest "+to.ref)
	}
	manifests, err := r.records.Manifests(req.Context(), to.repo)
	if err != nil {
		return err
	}
	want := req.URL.Query().Get("artifactType")
	index := v1.Index{MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{}}
	index.SchemaVersion = 2
	for _, m := range manifests {
		if m.Subject != to.ref || want != "" && m.ArtifactType != want {
			continue
		}
		d, err := r.descriptor(req.Context(), m)
		if err != nil {
			return err
		}
		index.Manifests = append(index.Manifests, d)
	}
	if want != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	return writeJSON(w, v1.MediaTypeImageIndex, index)
}

func (r *Registry) descriptor(ctx context.Context, m Manifest) (v1.Descriptor, error) {
	content, _, err := r.Manifest(ctx, m.Repo, m.Digest)
	if err != nil {
		return v1.Descriptor{}, err
	}
	f, err := readFields(content)
	return v1.Descriptor{
		MediaType:    m.MediaType,
		ArtifactType: m.ArtifactType,
		Digest:       digest.Digest(m.Digest),
		Size:         m.ManifestSize,
		Annotations:  f.Annotations,
	}, err
}

func writeJSON(w http.ResponseWriter, mediaType string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", mediaType)
	w.Write(body) //nolint:errcheck // a client that went away
	return nil
}
