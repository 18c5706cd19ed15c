package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/registry/manifest"
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
	f, err := manifest.Read(content)
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
