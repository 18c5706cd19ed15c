package registry

import (
	"net/http"
)

// Wants is what a request wants of the registry.
type Wants struct {
	Method string
	Kind   string // manifests, referrers, tags, blobs, uploads or catalog; "" for nothing that is in the registry
	Repo   string // "" where it is about none
	// Of an upload: Bytes says that the request has some, Ends that it is the last
	// one, and From is the repository that the blob is taken from instead.
	Bytes, Ends bool
	From        string
}

// WantsOf reads a request under /v2/.
func WantsOf(req *http.Request) Wants {
	w := Wants{Method: req.Method}
	if req.URL.Path == catalogPath {
		w.Kind = "catalog"
		return w
	}
	to, ok := parseRoute(req.URL.Path)
	if !ok {
		return w
	}
	w.Kind, w.Repo = to.kind, to.repo
	if to.kind == "uploads" {
		query := req.URL.Query()
		w.Bytes, w.Ends = req.ContentLength != 0, query.Has("digest")
		if query.Get("mount") != "" {
			w.From = query.Get("from")
		}
	}
	return w
}

// WithoutFrom returns an upload that takes no blob from another repository: it is an
// ordinary one then.
func WithoutFrom(req *http.Request) *http.Request { return without(req, "from", "mount") }
