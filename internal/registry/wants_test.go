package registry

import (
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWants(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, url, body string
		want              Wants
	}{
		{"GET", "/v2/", "", Wants{Method: "GET"}},
		{"GET", "/v2/_catalog?n=2", "", Wants{Method: "GET", Kind: "catalog"}},
		{"GET", "/v2/team/app/tags/list", "", Wants{Method: "GET", Kind: "tags", Repo: "team/app"}},
		{"HEAD", "/v2/app/manifests/v1", "", Wants{Method: "HEAD", Kind: "manifests", Repo: "app"}},
		{"GET", "/v2/app/referrers/sha256:0", "", Wants{Method: "GET", Kind: "referrers", Repo: "app"}},
		{"GET", "/v2/app/blobs/sha256:0?from=b&mount=c", "", Wants{Method: "GET", Kind: "blobs", Repo: "app"}},
		{"POST", "/v2/app/blobs/uploads/", "", Wants{Method: "POST", Kind: "uploads", Repo: "app"}},
		{"POST", "/v2/app/blobs/uploads/?from=b&mount=sha256:0", "", Wants{Method: "POST", Kind: "uploads", Repo: "app", From: "b"}},
		{"POST", "/v2/app/blobs/uploads/?from=b", "", Wants{Method: "POST", Kind: "uploads", Repo: "app"}},
		{"POST", "/v2/app/blobs/uploads/?digest=sha256:0", "x", Wants{Method: "POST", Kind: "uploads", Repo: "app", Bytes: true, Ends: true}},
		{"PATCH", "/v2/app/blobs/uploads/1", "x", Wants{Method: "PATCH", Kind: "uploads", Repo: "app", Bytes: true}},
		{"GET", "/v2/app", "", Wants{Method: "GET"}},
	} {
		req := httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
		if got := WantsOf(req); got != tt.want {
			t.Errorf("%s %s: got %+v, want %+v", tt.method, tt.url, got, tt.want)
		}
	}
}
