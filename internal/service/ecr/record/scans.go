package record

import (
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecr/lifecycle"
	"github.com/skylift/skylift/internal/store"
)

// Scan is what is known of an image's vulnerabilities, keyed as the image. Its findings are found anew in its Packages by whoever asks.
type Scan struct {
	RepoID      string
	Digest      string
	Status      types.ScanStatus // PENDING, IN_PROGRESS, COMPLETE or FAILED
	Description string           `json:",omitempty"`
	AskedAt     time.Time        // by a push, or by StartImageScan
	CompletedAt time.Time        `json:",omitzero"`
	// Database is the print of the vulnerability database that Counts are of, and SourceAt when that changed.
	Database string           `json:",omitempty"`
	SourceAt time.Time        `json:",omitzero"`
	Counts   map[string]int32 `json:",omitempty"` // of findings, by severity
	// Lacking says that it failed for want of a database, so that there is something to do when there is one.
	Lacking bool `json:",omitempty"`
}

// Key is the record's key.
func (s Scan) Key() string { return ImageKey(s.RepoID, s.Digest) }

// Open says whether there is a scan to come.
func (s Scan) Open() bool {
	return s.Status == types.ScanStatusPending || s.Status == types.ScanStatusInProgress
}

// Packages is what an image has, keyed as the image: an inventory, encoded.
type Packages struct {
	RepoID string
	Digest string
	Made   int // the way in which it was listed
	List   []byte
}

// Key is the record's key.
func (p Packages) Key() string { return ImageKey(p.RepoID, p.Digest) }

var (
	// ScanRows are the scans of images, by ImageKey.
	ScanRows = store.NewTable[Scan]("ecr-scan")
	// PackageRows are the packages of images, by ImageKey.
	PackageRows = store.NewTable[Packages]("ecr-packages")
)

// scannable are the media types of what can be scanned: of its manifest and its configuration. Attestations, signatures and indexes
// are others.
var scannable = struct{ manifests, configurations []string }{
	[]string{"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"},
	[]string{"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"},
}

// Scannable says whether the image is of a kind that has packages.
func (i Image) Scannable() bool {
	return slices.Contains(scannable.manifests, i.MediaType) && slices.Contains(scannable.configurations, i.ArtifactType)
}

// ScansOnPush says whether images that are pushed to the repository are scanned, and which of the registry's filters say so.
func (r Repository) ScansOnPush(registry Registry) (bool, []string) {
	var fit []string
	for _, f := range slices.Concat(registry.ScanRules...) {
		if matchesFilter(f, r.Name) {
			fit = append(fit, f)
		}
	}
	return r.ScanOnPush || len(fit) > 0, fit
}

// matchesFilter tells whether a repository's name has a filter in it, or fits its wildcards
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-filters.html).
func matchesFilter(filter, name string) bool {
	if !strings.Contains(filter, "*") {
		return strings.Contains(name, filter)
	}
	whole := strings.NewReplacer("/", "\x00").Replace // a wildcard stands for slashes, too
	return lifecycle.Match(whole(filter), whole(name))
}

// scanPushed asks for the scan of an image that was pushed, if its repository wants that.
func scanPushed(tx store.Tx, repo Repository, img Image) error {
	registry, _, err := handler.Find(tx, RegistryRows, RegistryKey)
	if err != nil {
		return err
	}
	if wanted, _ := repo.ScansOnPush(registry); !wanted || !img.Scannable() {
		return nil
	}
	return ScanRows.Put(tx, img.Key(), Scan{RepoID: img.RepoID, Digest: img.Digest, Status: types.ScanStatusPending, AskedAt: img.PushedAt})
}

// unscan removes what is known of an image's packages. It goes with the image.
func unscan(tx store.Tx, key string) error {
	if err := ScanRows.Delete(tx, key); err != nil {
		return err
	}
	return PackageRows.Delete(tx, key)
}
