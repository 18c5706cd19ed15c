package images

import (
	"testing"

	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

func TestPullErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text             string
		notFound, denied bool
	}{
		{"manifest for 127.0.0.1:4566/x:latest not found: manifest unknown: Requested image not found", true, false},
		{"pull access denied for nginx, repository does not exist or may require 'docker login': denied: no", true, true},
		{"Get http://127.0.0.1:1/v2/: dial tcp 127.0.0.1:1: connect: connection refused", false, false},
		{"Head http://127.0.0.1:1/v2/x/manifests/v1: no basic auth credentials", false, true},
		{"name unknown: The repository with name 'x' does not exist in the registry", true, false},
	}
	for _, tc := range tests {
		got := classify("x", daemon.Prefix+tc.text)
		if got.NotFound != tc.notFound || got.Denied != tc.denied || got.Reason != daemon.Prefix+tc.text {
			t.Errorf("%s: %+v", tc.text, got)
		}
	}
}
