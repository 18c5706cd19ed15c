package ecr

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// suite is the conformance suite of the OCI distribution specification.
const suite = "github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111"

// TestConformance runs the official suite, all but digests in sha512, which
// ECR has not either.
func TestConformance(t *testing.T) {
	t.Parallel()
	if !strings.Contains(os.Getenv("REQUIRE"), "conformance") {
		t.Skip("takes long and fetches a module; REQUIRE=conformance runs it")
	}
	c := serve(t)
	c.create(t, "conformance/repo1")
	c.create(t, "conformance/repo2")
	cmd := exec.CommandContext(t.Context(), "go", "run", suite)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "OCI_REGISTRY="+c.host, "OCI_TLS=disabled", "OCI_USERNAME=AWS", "OCI_PASSWORD="+c.records.Password(time.Now().Add(time.Hour), nil),
		"OCI_API_BLOBS_UPLOAD_CANCEL=true", "OCI_DATA_SHA512=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
