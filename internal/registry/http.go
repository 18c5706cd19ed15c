package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/distribution/distribution/v3"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry/durable"
)

var (
	routes = regexp.MustCompile(`^/v2/(.+)/(?:(manifests|referrers)/([^/]+)|(blobs)/(uploads)(?:/([^/]*))?|(blobs)/([^/]+)|(tags)/list)$`)
	names  = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	uuids  = regexp.MustCompile(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	tags   = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

const catalogPath = "/v2/_catalog"

// route is a path under /v2/ taken apart.
type route struct {
	repo string
	kind string // manifests, referrers, tags, blobs, uploads
	ref  string // a tag or a digest, or an upload's UUID
}

func parseRoute(path string) (route, bool) {
	m := routes.FindStringSubmatch(path)
	switch {
	case m == nil:
		return route{}, false
	case m[2] != "":
		return route{m[1], m[2], m[3]}, true
	case m[5] != "":
		return route{m[1], m[5], m[6]}, true
	case m[7] != "":
		return route{m[1], m[7], m[8]}, true
	default:
		return route{m[1], m[9], ""}, true
	}
}

// ServeHTTP answers the OCI distribution API under /v2/.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if err := r.login(req); err != nil {
		r.Refuse(w, req, err)
		return
	}
	if err := r.within(req.Context(), func() error { return r.serve(w, req) }); err != nil {
		r.fail(w, req, err)
	}
}

// Refuse answers a request that doesn't come in, and returns the answer's code.
func (r *Registry) Refuse(w http.ResponseWriter, req *http.Request, err error) (code string) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Basic realm=%q", "http://"+req.Host+"/"))
	return r.fail(w, req, err)
}

// enterWait is how long a request waits for others to end. Docker asks again after
// the answer that the registry is unavailable.
const enterWait = 10 * time.Second

// enter takes a place among the requests that are answered at once.
func (r *Registry) enter(ctx context.Context) error {
	select {
	case r.slots <- struct{}{}:
		return nil
	default:
	}
	over := time.NewTimer(enterWait)
	defer over.Stop()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-over.C:
		return errBusy
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Registry) login(req *http.Request) error {
	user, password, ok := req.BasicAuth()
	if !ok {
		return Unauthorized("authentication required")
	}
	return r.records.Authenticate(req.Context(), user, password)
}

// serve returns an error when it has not answered.
func (r *Registry) serve(w http.ResponseWriter, req *http.Request) error {
	switch req.URL.Path {
	case "/v2/", "/v2":
		return base(w)
	case catalogPath:
		return r.catalog(w, req)
	}
	to, ok := parseRoute(req.URL.Path)
	if !ok {
		return errRoute
	}
	find := r.records.Repository
	if req.Method == http.MethodPost || req.Method == http.MethodPatch || req.Method == http.MethodPut {
		if r.full() {
			return errDiskFull
		}
		find = r.records.ForPush
	}
	if !names.MatchString(to.repo) {
		return errNameInvalid
	}
	if to.kind != "manifests" || req.Method != http.MethodGet && req.Method != http.MethodHead { // else Resolve finds it, or a repository for it
		if err := find(req.Context(), to.repo); err != nil {
			return err
		}
	}
	switch to.kind {
	case "manifests":
		return r.serveManifest(w, req, to)
	case "tags":
		return r.listTags(w, req, to.repo)
	case "referrers":
		return r.listReferrers(w, req, to)
	default:
		return r.serveBlob(w, req, to)
	}
}

func base(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write([]byte("{}"))
	if err != nil {
		return nil //nolint:nilerr // answered; the client went away
	}
	return nil
}

// serveBlob sends a blob, and hands uploads to distribution. It notes that the blob
// is in use, since the client may rely on it from now on.
func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, to route) error {
	query := req.URL.Query()
	wanted := []string{query.Get("digest"), query.Get("mount")}
	if to.kind == "blobs" {
		wanted = append(wanted, to.ref)
	}
	for _, d := range wanted {
		if err := checkDigest(d); err != nil {
			return err
		}
	}
	r.used.Touch(slices.DeleteFunc(wanted, func(d string) bool { return digest.Digest(d).Validate() != nil })...)
	if to.kind == "blobs" {
		return r.getBlob(w, req, to)
	}
	if err := checkChunk(req); err != nil {
		return err
	}
	if from := query.Get("from"); from != "" && r.records.Repository(req.Context(), from) != nil {
		req = WithoutFrom(req) // as the specification says
	}
	return r.upload(w, req, to)
}

// getBlob sends the file itself, so that the kernel can copy it.
func (r *Registry) getBlob(w http.ResponseWriter, req *http.Request, to route) error {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		return errMethod
	}
	dgst := digest.Digest(to.ref)
	if dgst.Validate() != nil {
		return badRequest("DIGEST_INVALID", "invalid digest "+to.ref)
	}
	file, err := r.fetchBlob(req.Context(), to.repo, dgst)
	if err != nil {
		return err
	}
	defer file.Close()
	h := w.Header()
	h.Set("Docker-Content-Digest", to.ref)
	h.Set("Etag", `"`+to.ref+`"`)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Cache-Control", "max-age=31536000")
	http.ServeContent(w, req, "", time.Time{}, file)
	return nil
}

// fetchBlob opens a blob that a repository has, or that its upstream has.
func (r *Registry) fetchBlob(ctx context.Context, repo string, dgst digest.Digest) (*os.File, error) {
	file, err := r.openBlob(ctx, repo, dgst)
	if !errors.Is(err, errBlobUnknown) || r.from == nil {
		return file, err
	}
	if err := r.from.Fetch(ctx, repo, dgst); err != nil {
		return nil, err
	}
	return r.openBlob(ctx, repo, dgst)
}

// openBlob opens a blob that a repository has.
func (r *Registry) openBlob(ctx context.Context, repo string, dgst digest.Digest) (*os.File, error) {
	repository, err := r.repository(ctx, repo)
	if err != nil {
		return nil, err
	}
	_, err = repository.Blobs(ctx).Stat(ctx, dgst)
	if errors.Is(err, distribution.ErrBlobUnknown) {
		return nil, errBlobUnknown
	}
	if err != nil {
		return nil, fmt.Errorf("read blob %s@%s: %w", repo, dgst, err)
	}
	return r.openFile(dgst)
}

// openFile opens the file of a blob, whatever repository has it.
func (r *Registry) openFile(dgst digest.Digest) (*os.File, error) {
	file, err := os.Open(r.blobFile(dgst))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errBlobUnknown // removed since
	}
	if err != nil {
		return nil, fmt.Errorf("read blob: %w", err)
	}
	return file, nil
}

// blobFile is where distribution keeps a blob.
func (r *Registry) blobFile(d digest.Digest) string {
	return filepath.Join(r.root, "blobs", d.Algorithm().String(), d.Encoded()[:2], d.Encoded(), "data")
}

func (r *Registry) upload(w http.ResponseWriter, req *http.Request, to route) error {
	var s durable.Session
	defer s.Close()
	answer := &guard{ResponseWriter: w, session: &s, method: req.Method}
	// distribution would take parameters out of a form, too: ones that nobody has judged.
	req.Header.Set("Content-Type", "application/octet-stream")
	r.app.ServeHTTP(answer, req.WithContext(s.In(req.Context())))
	if answer.failed {
		s.Close()
		r.dropUpload(to)
	}
	return nil
}

// checkDigest refuses algorithms other than sha256: distribution would keep
// such a blob under its sha256 digest, where GC finds no reference to it.
func checkDigest(d string) error {
	if algorithm, _, ok := strings.Cut(d, ":"); ok && algorithm != string(digest.SHA256) {
		return badRequest("DIGEST_INVALID", "the registry takes sha256 digests only, not "+d)
	}
	return nil
}

// dropUpload frees space: no upload can go on while the disk is full.
func (r *Registry) dropUpload(to route) {
	if !uuids.MatchString(to.ref) {
		return
	}
	if err := os.RemoveAll(filepath.Join(r.root, "repositories", to.repo, "_uploads", to.ref)); err != nil {
		r.log.Error("drop upload", "key", to.repo, "err", err)
	}
}

func without(req *http.Request, keys ...string) *http.Request {
	req = req.Clone(req.Context())
	query := req.URL.Query()
	for _, k := range keys {
		query.Del(k)
	}
	req.URL.RawQuery = query.Encode()
	return req
}

// guard answers that the disk is full instead of what distribution would answer.
// That may even be a success, because distribution ignores errors of the last flush.
type guard struct {
	http.ResponseWriter
	session       *durable.Session
	method        string
	wrote, failed bool
}

func (g *guard) WriteHeader(status int) {
	if g.wrote {
		return // distribution answers twice when a client goes away
	}
	g.wrote = true
	if !g.session.Full() {
		g.ResponseWriter.WriteHeader(status)
		return
	}
	g.failed = true
	for k := range g.Header() {
		if k != "Docker-Distribution-Api-Version" {
			g.Header().Del(k)
		}
	}
	errDiskFull.write(g.ResponseWriter, g.method)
}

func (g *guard) Write(p []byte) (int, error) {
	g.WriteHeader(http.StatusOK)
	if g.failed {
		return len(p), nil
	}
	return g.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }
