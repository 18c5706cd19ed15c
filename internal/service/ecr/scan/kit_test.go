package scan

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
	"github.com/skylift/skylift/internal/service/ecr/scan/vulndb"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// source is a database that tests change.
type source struct {
	mu   sync.Mutex
	db   *osv.Database
	mark string
	next chan struct{}
}

func (s *source) set(t *testing.T, records ...string) {
	t.Helper()
	b := osv.NewBuilder(1 << 20)
	for _, r := range records {
		if err := b.Add([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db, s.mark = b.Done(), digest.FromString(strings.Join(records, "")).Encoded()[:8]
	close(s.next)
	s.next = make(chan struct{})
}

func (s *source) Current(context.Context) (*osv.Database, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return nil, "", vulndb.ErrNone
	}
	return s.db, s.mark, nil
}

func (s *source) Changes(ctx context.Context, f func() error) error {
	for {
		s.mu.Lock()
		next := s.next
		s.mu.Unlock()
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// files is a registry of files, and counts how often a layer is opened.
type files struct {
	dir    string
	opened int
	broken error
}

func (f *files) Manifest(_ context.Context, _, dgst string) ([]byte, string, error) {
	b, err := os.ReadFile(filepath.Join(f.dir, dgst))
	return b, imageType, err
}

func (f *files) Open(_ context.Context, _, dgst string) (*os.File, error) {
	f.opened++
	if f.broken != nil {
		return nil, f.broken
	}
	file, err := os.Open(filepath.Join(f.dir, dgst))
	if errors.Is(err, os.ErrNotExist) {
		return nil, registry.BlobUnknown()
	}
	return file, err
}

func (f *files) put(t *testing.T, b []byte) string {
	t.Helper()
	d := digest.FromBytes(b).String()
	if err := os.WriteFile(filepath.Join(f.dir, d), b, 0o600); err != nil {
		t.Fatal(err)
	}
	return d
}

const (
	imageType  = "application/vnd.oci.image.manifest.v1+json"
	configType = "application/vnd.oci.image.config.v1+json"
	layerType  = "application/vnd.oci.image.layer.v1.tar"
)

// plain compares the SDK's values by what they tell.
var plain = cmpopts.IgnoreTypes(document.NoSerde{}, middleware.Metadata{})

// world is a registry with a repository called app.
type world struct {
	*API
	*Scanner
	*files
	t      *testing.T
	images *ecr.API
	db     *memstore.DB
	source *source
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, db: memstore.New(), files: &files{dir: t.TempDir()}, source: &source{next: make(chan struct{})}}
	records, err := record.Open(t.Context(), w.db, arn.Namespace{Region: "us-west-2", Account: "111122223333"}, "127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	w.images = ecr.New(records, w.files)
	w.API, w.Scanner = New(records, w.source), NewScanner(records, w.files, w.source, slog.New(slog.DiscardHandler))
	w.repository("app", false)
	return w
}

func (w *world) repository(name string, onPush bool) {
	w.t.Helper()
	if _, err := w.images.CreateRepository(w.t.Context(), &sdk.CreateRepositoryInput{RepositoryName: &name, ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: onPush}}); err != nil {
		w.t.Fatal(err)
	}
}

// layer is one with files.
func (w *world) layer(files map[string]string) string {
	w.t.Helper()
	var b bytes.Buffer
	z := tar.NewWriter(&b)
	for name, text := range files {
		err := z.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644})
		if _, err2 := z.Write([]byte(text)); errors.Join(err, err2) != nil {
			w.t.Fatal(err, err2)
		}
	}
	if err := z.Close(); err != nil {
		w.t.Fatal(err)
	}
	return w.put(w.t, b.Bytes())
}

// push pushes an image of layers.
func (w *world) push(repo, tag string, layers ...string) (dgst string) {
	w.t.Helper()
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	m := struct {
		SchemaVersion int          `json:"schemaVersion"`
		Config        descriptor   `json:"config"`
		Layers        []descriptor `json:"layers"`
	}{2, descriptor{configType, digest.FromString(repo + tag).String(), 1}, nil}
	for _, l := range layers {
		m.Layers = append(m.Layers, descriptor{layerType, l, 1})
	}
	b, err := json.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	dgst = w.put(w.t, b)
	w.record(registry.Manifest{Repo: repo, Digest: dgst, Tags: []string{tag}, MediaType: imageType, ArtifactType: configType, PushedAt: record.Now()})
	return dgst
}

func (w *world) record(m registry.Manifest) {
	w.t.Helper()
	if err := w.API.records.Push(w.t.Context(), m); err != nil {
		w.t.Fatal(err)
	}
}

// run runs the loop until ctx ends.
func (w *world) run(ctx context.Context) {
	_ = reconcile.New("ecr/scan", w.Scanner, reconcile.Options{}, w.Sources()...).Run(ctx)
}

func (w *world) start(repo, tag string) error {
	_, err := w.StartImageScan(w.t.Context(), &sdk.StartImageScanInput{RepositoryName: &repo, ImageId: &types.ImageIdentifier{ImageTag: &tag}})
	return err
}

func (w *world) describe(repo, tag string) (*sdk.DescribeImageScanFindingsOutput, error) {
	return w.DescribeImageScanFindings(w.t.Context(), &sdk.DescribeImageScanFindingsInput{RepositoryName: &repo, ImageId: &types.ImageIdentifier{ImageTag: &tag}})
}

// state is a scan's status, its description and its findings, in short.
func (w *world) state(repo, tag string) string {
	w.t.Helper()
	out, err := w.describe(repo, tag)
	if err != nil {
		e, _ := errors.AsType[smithy.APIError](err)
		return e.ErrorCode()
	}
	s := string(out.ImageScanStatus.Status)
	if out.ImageScanStatus.Description != nil {
		s += ": " + *out.ImageScanStatus.Description
	}
	if out.ImageScanFindings == nil {
		return s
	}
	for _, f := range out.ImageScanFindings.Findings {
		s += " " + *f.Name
	}
	return s
}

func (w *world) is(repo, tag, want string) {
	w.t.Helper()
	if got := w.state(repo, tag); got != want {
		w.t.Errorf("%s:%s: got %s\nwant %s", repo, tag, got, want)
	}
}

func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v\nwant %s: %s", err, code, words)
	}
}

const done = "COMPLETE: The scan was completed successfully."

// vulnerable is a record about a package of an ecosystem, which all versions of it before 2 have.
func vulnerable(id, ecosystem, name string) string {
	kind := "ECOSYSTEM"
	if ecosystem == "Go" {
		kind = "SEMVER"
	}
	return fmt.Sprintf(`{"id":%q,"modified":"2026-01-02T03:04:05Z","details":"about %s","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
		"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":%q,"events":[{"introduced":"0"},{"fixed":"2"}]}]}]}`, id, id, ecosystem, name, kind)
}

// apk is a layer of Alpine with packages of version 1.
func (w *world) apk(names ...string) string {
	text := ""
	for _, n := range names {
		text += "P:" + n + "\nV:1\n\n"
	}
	return w.layer(map[string]string{"etc/os-release": "ID=alpine\nVERSION_ID=3.19.1\n", "lib/apk/db/installed": text})
}

// empty looks that there is nothing of any scan.
func (w *world) empty() {
	w.t.Helper()
	err := w.db.View(w.t.Context(), func(tx store.Tx) error {
		scans, err := record.ScanRows.List(tx, "")
		packages, err2 := record.PackageRows.List(tx, "")
		if len(scans)+len(packages) > 0 {
			w.t.Errorf("%d scans and %d lists of packages are left", len(scans), len(packages))
		}
		return errors.Join(err, err2)
	})
	if err != nil {
		w.t.Error(err)
	}
}
