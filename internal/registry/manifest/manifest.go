// Package manifest reads the manifests of images, and indexes of them.
package manifest

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Manifest is what a manifest, or an index, says.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *v1.Descriptor    `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Manifests     []v1.Descriptor   `json:"manifests"`
	Subject       *v1.Descriptor    `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

// InvalidError says what is wrong with a manifest.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return "the manifest is not valid: " + e.Reason }

func invalid(format string, args ...any) error { return &InvalidError{fmt.Sprintf(format, args...)} }

// Read reads a manifest. Error: *InvalidError.
func Read(body []byte) (m Manifest, err error) {
	if err := json.Unmarshal(body, &m); err != nil {
		return m, invalid("%v", err)
	}
	return m, nil
}

// Artifact is what kind of artifact it is: artifactType, or the configuration's media type.
func (m Manifest) Artifact() string {
	if m.ArtifactType == "" && m.Config != nil {
		return m.Config.MediaType
	}
	return m.ArtifactType
}

// Size is how long the configuration and the layers are, in bytes.
func (m Manifest) Size() (n int64) {
	for _, b := range m.Blobs() {
		n += b.Size
	}
	return n
}

// Blobs are the configuration and the layers.
func (m Manifest) Blobs() []v1.Descriptor {
	if m.Config == nil {
		return m.Layers
	}
	return append([]v1.Descriptor{*m.Config}, m.Layers...)
}

// SizeOf returns the size in bytes of the blob with a digest; there is false when
// the repository hasn't got it.
type SizeOf func(digest.Digest) (size int64, there bool, err error)

// Check compares the sizes that a manifest states with the real ones. Whether the blobs exist it doesn't
// check. Errors: *InvalidError, and those of blob and manifest.
func (m Manifest) Check(blob, manifest SizeOf) error {
	if m.SchemaVersion != 2 {
		return invalid("its schemaVersion is %d, and only 2 is supported", m.SchemaVersion)
	}
	if err := checkSizes(m.Blobs(), blob); err != nil {
		return err
	}
	manifests := m.Manifests
	if m.Subject != nil {
		manifests = append([]v1.Descriptor{*m.Subject}, manifests...)
	}
	return checkSizes(manifests, manifest)
}

// checkSizes refuses descriptors that state a wrong size. The size of a blob that
// isn't here, such as a layer that lies elsewhere, can't be checked.
func checkSizes(list []v1.Descriptor, of SizeOf) error {
	known := make(map[digest.Digest]int64) // -1: it isn't there
	sum := int64(0)
	for _, d := range list {
		if d.Digest.Validate() != nil || d.Digest.Algorithm() != digest.SHA256 {
			return invalid("%.100q is not a sha256 digest", d.Digest)
		}
		if d.Size < 0 || d.Size > math.MaxInt64-sum {
			return invalid("it says that %s has %d bytes", d.Digest, d.Size)
		}
		sum += d.Size
		size, ok := known[d.Digest]
		if !ok {
			n, there, err := of(d.Digest)
			if err != nil {
				return err
			}
			if size = n; !there {
				size = -1
			}
			known[d.Digest] = size
		}
		if size >= 0 && size != d.Size {
			return invalid("it says that %s has %d bytes, and it has %d", d.Digest, d.Size, size)
		}
	}
	return nil
}
