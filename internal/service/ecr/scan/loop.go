package scan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/manifest"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecr/scan/inventory"
	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
	"github.com/skylift/skylift/internal/store"
)

// blobs reads what was pushed. The registry implements it.
type blobs interface {
	Manifest(ctx context.Context, repo, digest string) (content []byte, mediaType string, err error)
	Open(ctx context.Context, repo, digest string) (*os.File, error)
}

// Scanner reconciles scans: it reads the packages of images that are to be scanned, and counts the findings of those that were when
// there is another database.
type Scanner struct {
	records   *record.Records
	blobs     blobs
	databases databases
	log       *slog.Logger
}

// NewScanner returns a Scanner.
func NewScanner(records *record.Records, b blobs, d databases, log *slog.Logger) *Scanner {
	return &Scanner{records, b, d, log}
}

// Sources name all scans: those that change, and each one when there is another database.
func (s *Scanner) Sources() []reconcile.Source {
	return []reconcile.Source{reconcile.Rows(s.records.DB, record.ScanRows, nil), s.again}
}

func (s *Scanner) again(ctx context.Context, enqueue func(string)) error {
	return s.databases.Changes(ctx, func() error {
		return s.records.DB.View(ctx, func(tx store.Tx) error {
			for scan, err := range record.ScanRows.Peek(tx, "") {
				if err != nil {
					return fmt.Errorf("list scans: %w", err)
				}
				enqueue(scan.Key())
			}
			return nil
		})
	})
}

// look is what a pass knows of a scan.
type look struct {
	scan     record.Scan
	image    record.Image
	packages record.Packages
}

// find reads a scan; ok is false when it, or its image, is gone.
func find(tx store.Tx, key string) (l look, ok bool, err error) {
	if l.scan, ok, err = handler.Find(tx, record.ScanRows, key); err != nil || !ok {
		return l, false, err
	}
	if l.image, ok, err = handler.Find(tx, record.ImageRows, key); err != nil || !ok {
		return l, false, err
	}
	l.packages, _, err = handler.Find(tx, record.PackageRows, key)
	return l, true, err
}

// Reconcile scans an image, if that is to be done.
func (s *Scanner) Reconcile(ctx context.Context, key string) (again time.Duration, err error) {
	var l look
	var ok bool
	err = s.records.DB.View(ctx, func(tx store.Tx) (err error) {
		l, ok, err = find(tx, key)
		return err
	})
	if err != nil || !ok {
		return 0, err
	}
	if !l.scan.Open() && !l.scan.Lacking && l.scan.Status != types.ScanStatusComplete {
		return 0, nil // it failed for good
	}
	db, mark, err := s.databases.Current(ctx)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil && l.scan.Open():
		return 0, s.end(ctx, l, lacking(err.Error()), nil)
	case err != nil, !l.scan.Open() && l.scan.Database == mark:
		return 0, nil
	}
	if l.packages.Made != inventory.Made {
		return 0, s.scan(ctx, l, db, mark)
	}
	list, err := inventory.Decode(l.packages.List)
	if err != nil {
		return 0, fmt.Errorf("read the packages of %s: %w", key, err)
	}
	return 0, s.end(ctx, l, judge(list, db, mark), nil)
}

// scan reads an image's packages, and judges them.
func (s *Scanner) scan(ctx context.Context, l look, db *osv.Database, mark string) error {
	if l.scan.Status == types.ScanStatusPending {
		if err := s.change(ctx, l, func(tx store.Tx, scan *record.Scan) error {
			scan.Status = types.ScanStatusInProgress
			return nil
		}); err != nil {
			return err
		}
	}
	began := time.Now()
	list, err := s.read(ctx, l.image)
	var packages []byte
	if err == nil {
		packages, err = list.Encode()
	}
	if err == nil && len(packages) > mostPackages {
		err = &inventory.TooLargeError{What: "the image's list of packages"}
	}
	if why := unreadable(err); why != "" {
		return s.end(ctx, l, outcome{status: types.ScanStatusFailed, description: why}, nil)
	}
	if err != nil {
		return err
	}
	o := judge(list, db, mark)
	s.log.Info("scanned an image", "key", l.image.Repo, "image", l.image.Digest, "packages", len(list.Packages), "status", o.status, "took", time.Since(began).Round(time.Millisecond))
	return s.end(ctx, l, o, packages)
}

// mostPackages is how long the encoded list of an image's packages may be in its record, in bytes: a store takes 1.5 MiB at once.
const mostPackages = 512 << 10

// unreadable says what is wrong with an image whose packages can't be read; "" when that isn't its fault.
func unreadable(err error) string {
	if large, ok := errors.AsType[*inventory.TooLargeError](err); ok {
		return unsupported + large.Error() + "."
	}
	if bad, ok := errors.AsType[*inventory.MalformedError](err); ok {
		return unsupported + "a layer can't be read: " + bad.Error() + "."
	}
	if bad, ok := errors.AsType[*manifest.InvalidError](err); ok {
		return unsupported + bad.Error() + "."
	}
	if gone, ok := errors.AsType[*registry.Error](err); ok && gone.Code == "BLOB_UNKNOWN" {
		return unsupported + "the registry hasn't one of its layers."
	}
	return ""
}

// unsupported is what descriptions of images begin with that can't be scanned
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-troubleshooting.html).
const unsupported = "UnsupportedImageError: "

// read lists the packages of an image.
func (s *Scanner) read(ctx context.Context, img record.Image) (v inventory.Inventory, err error) {
	content, _, err := s.blobs.Manifest(ctx, img.Repo, img.Digest)
	if err != nil {
		return v, err
	}
	m, err := manifest.Read(content)
	if err != nil {
		return v, err
	}
	union := inventory.NewUnion()
	for _, layer := range m.Layers {
		if !strings.Contains(layer.MediaType, "tar") {
			continue // something else was put beside the files
		}
		if err := s.add(ctx, union, img.Repo, layer.Digest.String()); err != nil {
			return v, fmt.Errorf("read layer %s: %w", layer.Digest, err)
		}
	}
	return union.Inventory(), nil
}

func (s *Scanner) add(ctx context.Context, union *inventory.Union, repo, digest string) error {
	f, err := s.blobs.Open(ctx, repo, digest)
	if err != nil {
		return err
	}
	defer f.Close()
	return union.Add(&stopped{ctx, f})
}

// stopped reads until ctx ends.
type stopped struct {
	ctx context.Context //nolint:containedctx // a reader has no other place for it
	r   io.Reader
}

func (s *stopped) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// outcome is what a scan came to.
type outcome struct {
	status      types.ScanStatus
	description string
	lacking     bool
	mark        string
	source      time.Time
	counts      map[string]int32
}

func lacking(why string) outcome {
	return outcome{status: types.ScanStatusFailed, lacking: true, description: "The image was not scanned: " + why + "."}
}

// judge says what a database has to say of an image's packages. An image of an unknown system is one that nobody can say anything of,
// unless it has programs of Go.
func judge(v inventory.Inventory, db *osv.Database, mark string) outcome {
	result := db.Find(v)
	if len(result.Known) == 0 {
		if len(result.Unknown) == 0 {
			return outcome{status: types.ScanStatusFailed, description: unsupported + nothing(v.System)}
		}
		o := lacking("the vulnerability database has nothing about " + strings.Join(result.Unknown, " and "))
		o.mark = mark
		return o
	}
	o := outcome{status: types.ScanStatusComplete, description: "The scan was completed successfully.", mark: mark, source: db.Updated, counts: result.Counts()}
	if v.System.ID != "" && osv.EcosystemOf(v.System) == "" {
		o.description += " Only programs of Go were judged: " + strings.ToLower(nothing(v.System)[:1]) + nothing(v.System)[1:]
	}
	if len(result.Unknown) > 0 {
		o.description += " The vulnerability database has nothing about " + strings.Join(result.Unknown, " and ") + ", so such packages were not judged."
	}
	return o
}

// nothing says why nothing can be said of an image.
func nothing(s inventory.System) string {
	if s.ID == "" {
		return "The operating system and/or package manager are not supported."
	}
	return fmt.Sprintf("The operating system '%s' version '%s' is not supported, or it has no packages.", s.ID, s.Version)
}

// end writes what a scan came to, and the packages that were found, if any.
func (s *Scanner) end(ctx context.Context, l look, o outcome, packages []byte) error {
	now := record.Now()
	return s.change(ctx, l, func(tx store.Tx, scan *record.Scan) error {
		if scan.Open() || scan.Lacking {
			scan.CompletedAt = now
		}
		scan.Status, scan.Description, scan.Lacking = o.status, o.description, o.lacking
		scan.Database, scan.SourceAt, scan.Counts = o.mark, o.source, maps.Clone(o.counts)
		if packages == nil {
			return nil
		}
		p := record.Packages{RepoID: scan.RepoID, Digest: scan.Digest, Made: inventory.Made, List: packages}
		return record.PackageRows.Put(tx, p.Key(), p)
	})
}

// change changes a scan, unless it, or its image, is gone, or it was asked for again meanwhile.
func (s *Scanner) change(ctx context.Context, l look, change func(store.Tx, *record.Scan) error) error {
	return s.records.DB.Update(ctx, func(tx store.Tx) error {
		now, ok, err := find(tx, l.scan.Key())
		if err != nil || !ok || !now.scan.AskedAt.Equal(l.scan.AskedAt) {
			return err
		}
		if err := change(tx, &now.scan); err != nil {
			return err
		}
		return record.ScanRows.Put(tx, now.scan.Key(), now.scan)
	})
}
