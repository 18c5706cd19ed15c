package registry

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
)

var (
	routes = regexp.MustCompile(`^/v2/(.+)/(?:(manifests|referrers)/([^/]+)|(blobs)/(uploads)(?:/[^/]*)?|(blobs)/([^/]+)|(tags)/list)$`)
	names  = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tags   = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// route is a path under /v2/ taken apart.
type route struct {
	repo string
	kind string // manifests, referrers, tags, blobs, uploads
	ref  string // a tag or a digest
}

func parseRoute(path string) (route, bool) {
	m := routes.FindStringSubmatch(path)
	switch {
	case m == nil:
		return route{}, false
	case m[2] != "":
		return route{m[1], m[2], m[3]}, true
	case m[5] != "":
		return route{m[1], m[5], ""}, true
	case m[6] != "":
		return route{m[1], m[6], m[7]}, true
	default:
		return route{m[1], m[8], ""}, true
	}
}

// ServeHTTP answers the OCI distribution API under /v2/.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if err := r.login(req); err != nil {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Basic realm="http://%s/",service="ecr.amazonaws.com"`, req.Host))
		r.fail(w, req, err)
		return
	}
	if err := r.serve(w, req); err != nil {
		r.fail(w, req, err)
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
	case "/v2/_catalog":
		return r.catalog(w, req)
	}
	to, ok := parseRoute(req.URL.Path)
	if !ok {
		return errRoute
	}
	if !names.MatchString(to.repo) {
		return errNameInvalid
	}
	if err := r.records.Repository(req.Context(), to.repo); err != nil {
		return err
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

// serveBlob hands blobs and uploads to distribution, after noting that the
// blob is wanted: the client may count on it from now on.
func (r *Registry) serveBlob(w http.ResponseWriter, req *http.Request, to route) error {
	if to.kind == "blobs" && req.Method != http.MethodGet && req.Method != http.MethodHead {
		return errMethod
	}
	query := req.URL.Query()
	for _, d := range []string{to.ref, query.Get("digest"), query.Get("mount")} {
		r.used.touch(d)
	}
	if from := query.Get("from"); from != "" && r.records.Repository(req.Context(), from) != nil {
		req = without(req, "from", "mount") // then an ordinary upload, says the specification
	}
	var full fault
	req = req.WithContext(context.WithValue(req.Context(), faultKey{}, &full))
	r.app.ServeHTTP(&guard{ResponseWriter: w, fault: &full, method: req.Method}, req)
	return nil
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

// guard answers that the disk is full in place of whatever distribution makes
// of it, which may even be a success: it ignores errors of the last flush.
type guard struct {
	http.ResponseWriter
	fault  *fault
	method string
	failed bool
}

func (g *guard) WriteHeader(status int) {
	if !g.fault.full.Load() {
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
	if g.failed {
		return len(p), nil
	}
	return g.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (g *guard) Unwrap() http.ResponseWriter { return g.ResponseWriter }
