package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
)

// testLayers copies an image from one repository to another by the API alone, and pulls it.
func (s *stage) testLayers(t *testing.T) {
	t.Parallel()
	repo := new("copied")
	must(s.ecr.CreateRepository(t.Context(), &ecr.CreateRepositoryInput{RepositoryName: repo}))(t)
	got := must(s.ecr.BatchGetImage(t.Context(), &ecr.BatchGetImageInput{RepositoryName: new("probe"), ImageIds: []types.ImageIdentifier{{ImageTag: new("latest")}}}))(t)
	manifest := *got.Images[0].ImageManifest
	var says struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	if err := json.Unmarshal([]byte(manifest), &says); err != nil {
		t.Fatal(err)
	}
	_, err := s.ecr.PutImage(t.Context(), &ecr.PutImageInput{RepositoryName: repo, ImageManifest: &manifest, ImageTag: new("1")})
	refused(t, err, "LayersNotFoundException", "required for pushing image into repository with name 'copied'")
	digests := []string{says.Config.Digest}
	for _, l := range says.Layers {
		digests = append(digests, l.Digest)
	}
	for _, d := range digests {
		s.copyLayer(t, d, "probe", *repo)
	}
	file := filepath.Join(t.TempDir(), "manifest.json")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	s.aws(t, "ecr", "put-image", "--repository-name", *repo, "--image-tag", "1", "--image-manifest", "file://"+file)
	s.awsRefused(t, "ImageAlreadyExistsException", "and tag '1' already exists in the repository with name 'copied'", "ecr", "put-image", "--repository-name", *repo, "--image-tag", "1", "--image-manifest", "file://"+file)
	image := s.registry + "/copied:1"
	s.dockerRun(t, "pull", "-q", image)
	s.dockerRun(t, "rmi", image)
}

// copyLayer downloads a layer by its link and uploads it in parts.
func (s *stage) copyLayer(t *testing.T, digest, from, to string) {
	t.Helper()
	link := s.aws(t, "ecr", "get-download-url-for-layer", "--repository-name", from, "--layer-digest", digest, "--query", "downloadUrl", "--output", "text")
	res := must(http.Get(link))(t)
	defer res.Body.Close()
	content := must(io.ReadAll(res.Body))(t)
	if res.StatusCode != http.StatusOK || "sha256:"+sha256Hex(string(content)) != digest {
		t.Fatalf("download of %s: %s, %d bytes", digest, res.Status, len(content))
	}
	forged := must(http.Get(strings.Replace(link, "expires=", "expires=9", 1)))(t)
	_ = forged.Body.Close()
	if forged.StatusCode != http.StatusForbidden {
		t.Errorf("a link that was changed: %s", forged.Status)
	}
	began := must(s.ecr.InitiateLayerUpload(t.Context(), &ecr.InitiateLayerUploadInput{RepositoryName: &to}))(t)
	at := int64(0)
	for part := range slices.Chunk(content, int(*began.PartSize)) {
		file := filepath.Join(t.TempDir(), "part")
		if err := os.WriteFile(file, part, 0o600); err != nil {
			t.Fatal(err)
		}
		last := at + int64(len(part)) - 1
		s.aws(t, "ecr", "upload-layer-part", "--repository-name", to, "--upload-id", *began.UploadId, "--part-first-byte", fmt.Sprint(at), "--part-last-byte", fmt.Sprint(last), "--layer-part-blob", "fileb://"+file)
		at = last + 1
	}
	s.aws(t, "ecr", "complete-layer-upload", "--repository-name", to, "--upload-id", *began.UploadId, "--layer-digests", digest)
	if got := s.aws(t, "ecr", "batch-check-layer-availability", "--repository-name", to, "--layer-digests", digest, "--query", "layers[].layerAvailability", "--output", "text"); got != "AVAILABLE" {
		t.Errorf("batch-check-layer-availability: %s", got)
	}
}
