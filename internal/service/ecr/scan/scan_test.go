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
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
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

func TestScan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.source.set(t, vulnerable("CVE-1", "Alpine:v3.19", "a"), vulnerable("CVE-2", "Alpine:v3.19", "b"), vulnerable("CVE-3", "Alpine:v3.18", "a"))
		go w.run(t.Context())
		dgst := w.push("app", "1", w.apk("a", "c"))
		synctest.Wait()
		w.is("app", "1", "ScanNotFoundException")
		before := record.Now()
		time.Sleep(time.Second)
		out, err := w.StartImageScan(t.Context(), &sdk.StartImageScanInput{RepositoryName: new("app"), ImageId: &types.ImageIdentifier{ImageTag: new("1")}})
		if err != nil || out.ImageScanStatus.Status != types.ScanStatusPending || *out.ImageId.ImageDigest != dgst || *out.ImageId.ImageTag != "1" {
			t.Errorf("StartImageScan: %+v, %v", out, err)
		}
		synctest.Wait()
		got, err := w.describe("app", "1")
		if err != nil {
			t.Fatal(err)
		}
		want := &types.ImageScanFindings{
			FindingSeverityCounts: map[string]int32{"CRITICAL": 1}, VulnerabilitySourceUpdatedAt: new(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), ImageScanCompletedAt: new(before.Add(time.Second)),
			Findings: []types.ImageScanFinding{{
				Name: new("CVE-1"), Description: new("about CVE-1"), Uri: new("https://security.alpinelinux.org/vuln/CVE-1"), Severity: "CRITICAL",
				Attributes: []types.Attribute{
					{Key: new("package_version"), Value: new("1")},
					{Key: new("package_name"), Value: new("a")},
					{Key: new("patched_version"), Value: new("2")},
					{Key: new("CVSS3_VECTOR"), Value: new("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H")},
					{Key: new("CVSS3_SCORE"), Value: new("9.8")},
				},
			}},
		}
		if d := cmp.Diff(want, got.ImageScanFindings, plain); d != "" || got.ImageScanStatus.Status != "COMPLETE" || *got.ImageId.ImageDigest != dgst {
			t.Errorf("%+v (-want +got):\n%s", got.ImageScanStatus, d)
		}
		images, err := w.images.DescribeImages(t.Context(), &sdk.DescribeImagesInput{RepositoryName: new("app")})
		if err != nil || images.ImageDetails[0].ImageScanStatus.Status != "COMPLETE" || images.ImageDetails[0].ImageScanFindingsSummary.FindingSeverityCounts["CRITICAL"] != 1 {
			t.Errorf("DescribeImages: %+v, %v", images, err)
		}

		// Once a day.
		fails(t, w.start("app", "1"), "LimitExceededException", "The scan quota per image has been exceeded. Wait and try again.")
		time.Sleep(24 * time.Hour)
		if err := w.start("app", "1"); err != nil {
			t.Errorf("a day later: %v", err)
		}
		synctest.Wait()
		w.is("app", "1", done+" CVE-1")
		if w.opened != 1 {
			t.Errorf("layers were opened %d times, want once", w.opened)
		}

		// Another database is another judgement, without reading the layers again.
		w.source.set(t, vulnerable("CVE-9", "Alpine:v3.19", "c"), vulnerable("CVE-8", "Alpine:v3.19", "a"))
		synctest.Wait()
		w.is("app", "1", done+" CVE-8 CVE-9")
		images, err = w.images.DescribeImages(t.Context(), &sdk.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageTag: new("1")}}})
		if err != nil || images.ImageDetails[0].ImageScanFindingsSummary.FindingSeverityCounts["CRITICAL"] != 2 || w.opened != 1 {
			t.Errorf("DescribeImages: %+v, %v; layers were opened %d times", images, err, w.opened)
		}

		// What is known of an image goes with it.
		if _, err := w.images.BatchDeleteImage(t.Context(), &sdk.BatchDeleteImageInput{RepositoryName: new("app"), ImageIds: []types.ImageIdentifier{{ImageDigest: &dgst}}}); err != nil {
			t.Fatal(err)
		}
		w.is("app", "1", "ImageNotFoundException")
		w.empty()
	})
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

func TestPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		var list []string
		for i := range 5 {
			list = append(list, vulnerable(fmt.Sprintf("CVE-%d", i), "Alpine:v3.19", "a"))
		}
		w.source.set(t, list...)
		go w.run(t.Context())
		w.push("app", "1", w.apk("a"))
		if err := w.start("app", "1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var got []string
		in := &sdk.DescribeImageScanFindingsInput{RepositoryName: new("app"), ImageId: &types.ImageIdentifier{ImageTag: new("1")}, MaxResults: new(int32(2))}
		for {
			page, err := w.DescribeImageScanFindings(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if n := page.ImageScanFindings.FindingSeverityCounts["CRITICAL"]; n != 5 {
				t.Errorf("a page counts %d findings, want all 5", n)
			}
			for _, f := range page.ImageScanFindings.Findings {
				got = append(got, *f.Name)
			}
			if in.NextToken = page.NextToken; in.NextToken == nil {
				break
			}
		}
		if s := strings.Join(got, " "); s != "CVE-0 CVE-1 CVE-2 CVE-3 CVE-4" {
			t.Errorf("got %s", s)
		}
	})
}

// TestOnPush: what repositories want, and the registry.
func TestOnPush(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.source.set(t, vulnerable("CVE-1", "Alpine:v3.19", "a"))
		go w.run(t.Context())
		w.repository("scanned", true)
		w.repository("team/prod/web", false)
		image := w.apk("a")
		w.push("scanned", "1", image)
		w.push("team/prod/web", "1", image)
		synctest.Wait()
		w.is("scanned", "1", done+" CVE-1")
		w.is("team/prod/web", "1", "ScanNotFoundException")
		fails(t, w.start("scanned", "1"), "LimitExceededException", "quota per image")
		w.record(registry.Manifest{Repo: "scanned", Digest: digest.FromString("index").String(), Tags: []string{"all"}, MediaType: "application/vnd.oci.image.index.v1+json", PushedAt: record.Now()})
		synctest.Wait()
		w.is("scanned", "all", "ScanNotFoundException")
		fails(t, w.start("scanned", "all"), "UnsupportedImageTypeException", "it is of the type 'application/vnd.oci.image.index.v1+json'")
		fails(t, w.start("scanned", "none"), "ImageNotFoundException", "does not exist within the repository with name 'scanned'")
		fails(t, w.start("none", "1"), "RepositoryNotFoundException", "The repository with name 'none' does not exist")

		filter := func(f string) types.ScanningRepositoryFilter {
			return types.ScanningRepositoryFilter{Filter: &f, FilterType: "WILDCARD"}
		}
		rules := []types.RegistryScanningRule{{ScanFrequency: "SCAN_ON_PUSH", RepositoryFilters: []types.ScanningRepositoryFilter{filter("team/*/web"), filter("nothing"), filter("prod")}}}
		put, err := w.PutRegistryScanningConfiguration(t.Context(), &sdk.PutRegistryScanningConfigurationInput{ScanType: "BASIC", Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.GetRegistryScanningConfiguration(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*types.RegistryScanningConfiguration{put.RegistryScanningConfiguration, got.ScanningConfiguration} {
			if d := cmp.Diff(&types.RegistryScanningConfiguration{ScanType: "BASIC", Rules: rules}, c, plain); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		}
		w.push("team/prod/web", "2", image)
		synctest.Wait()
		w.is("team/prod/web", "2", done+" CVE-1")
		batch, err := w.BatchGetRepositoryScanningConfiguration(t.Context(), &sdk.BatchGetRepositoryScanningConfigurationInput{RepositoryNames: []string{"app", "scanned", "team/prod/web", "none"}})
		if err != nil {
			t.Fatal(err)
		}
		arn := func(name string) *string { return new("arn:aws:ecr:us-west-2:111122223333:repository/" + name) }
		want := &sdk.BatchGetRepositoryScanningConfigurationOutput{
			ScanningConfigurations: []types.RepositoryScanningConfiguration{
				{RepositoryName: new("app"), RepositoryArn: arn("app"), ScanFrequency: "MANUAL", AppliedScanFilters: []types.ScanningRepositoryFilter{}},
				{RepositoryName: new("scanned"), RepositoryArn: arn("scanned"), ScanFrequency: "SCAN_ON_PUSH", ScanOnPush: true, AppliedScanFilters: []types.ScanningRepositoryFilter{}},
				{RepositoryName: new("team/prod/web"), RepositoryArn: arn("team/prod/web"), ScanFrequency: "SCAN_ON_PUSH", ScanOnPush: true, AppliedScanFilters: []types.ScanningRepositoryFilter{filter("team/*/web"), filter("prod")}},
			},
			Failures: []types.RepositoryScanningConfigurationFailure{{
				RepositoryName: new("none"), FailureCode: "REPOSITORY_NOT_FOUND",
				FailureReason: new("The repository with name 'none' does not exist in the registry with id '111122223333'"),
			}},
		}
		if d := cmp.Diff(want, batch, plain); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
		if _, err := w.images.DeleteRepository(t.Context(), &sdk.DeleteRepositoryInput{RepositoryName: new("scanned"), Force: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.images.DeleteRepository(t.Context(), &sdk.DeleteRepositoryInput{RepositoryName: new("team/prod/web"), Force: true}); err != nil {
			t.Fatal(err)
		}
		w.empty()
	})
}

func TestConfigurations(t *testing.T) {
	t.Parallel()
	w := open(t)
	rule := func(f types.ScanFrequency) []types.RegistryScanningRule {
		return []types.RegistryScanningRule{{ScanFrequency: f, RepositoryFilters: []types.ScanningRepositoryFilter{}}}
	}
	for _, tt := range []struct {
		in   sdk.PutRegistryScanningConfigurationInput
		want string
	}{
		{sdk.PutRegistryScanningConfigurationInput{ScanType: "ENHANCED"}, "'ENHANCED' of 'scanType' is not supported by Skylift"},
		{sdk.PutRegistryScanningConfigurationInput{ScanType: "BASIC", Rules: rule("CONTINUOUS_SCAN")}, "'CONTINUOUS_SCAN' is not one of the scan type BASIC"},
		{sdk.PutRegistryScanningConfigurationInput{Rules: rule("MANUAL")}, "'MANUAL' is not one of the scan type BASIC"},
	} {
		_, err := w.PutRegistryScanningConfiguration(t.Context(), &tt.in)
		fails(t, err, "InvalidParameterException", tt.want)
	}
	check := func(want bool) {
		t.Helper()
		out, err := w.images.DescribeRepositories(t.Context(), &sdk.DescribeRepositoriesInput{RepositoryNames: []string{"app"}})
		if err != nil || out.Repositories[0].ImageScanningConfiguration.ScanOnPush != want {
			t.Errorf("%+v, %v, want scanOnPush %v", out, err, want)
		}
	}
	for _, want := range []bool{true, false} {
		if _, err := w.PutImageScanningConfiguration(t.Context(), &sdk.PutImageScanningConfigurationInput{RepositoryName: new("app"), ImageScanningConfiguration: &types.ImageScanningConfiguration{ScanOnPush: want}}); err != nil {
			t.Fatal(err)
		}
		check(want)
	}
}

// TestLacking: without a database, or with one that has nothing about it, a scan fails and says so, and is made up for when there is one.
func TestLacking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		go w.run(t.Context())
		w.push("app", "1", w.apk("a"))
		if err := w.start("app", "1"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		w.is("app", "1", "FAILED: The image was not scanned: "+vulndb.ErrNone.Error()+".")
		if err := w.start("app", "1"); err != nil {
			t.Errorf("such a scan counts: %v", err)
		}
		synctest.Wait()
		w.source.set(t, vulnerable("CVE-1", "Debian:12", "a"))
		synctest.Wait()
		w.is("app", "1", "FAILED: The image was not scanned: the vulnerability database has nothing about Alpine:v3.19.")
		w.source.set(t, vulnerable("CVE-1", "Debian:12", "a"), vulnerable("CVE-2", "Alpine:v3.19", "a"))
		synctest.Wait()
		w.is("app", "1", done+" CVE-2")
		fails(t, w.start("app", "1"), "LimitExceededException", "quota per image")
		if w.opened != 1 {
			t.Errorf("layers were opened %d times, want once", w.opened)
		}
		w.source.mu.Lock()
		w.source.db = nil
		w.source.mu.Unlock()
		w.is("app", "1", "FINDINGS_UNAVAILABLE: "+vulndb.ErrNone.Error())
	})
}

// TestUnsupported: images that nothing can be said of.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.source.set(t, vulnerable("CVE-1", "Alpine:v3.19", "a"))
		go w.run(t.Context())
		for tag, tt := range map[string]struct{ layer, want string }{
			"scratch": {w.layer(map[string]string{"app": "x"}), "UnsupportedImageError: The operating system and/or package manager are not supported."},
			"fedora":  {w.layer(map[string]string{"etc/os-release": "ID=fedora\nVERSION_ID=40\n"}), "UnsupportedImageError: The operating system 'fedora' version '40' is not supported, or it has no packages."},
			"broken":  {w.put(t, bytes.Repeat([]byte("nonsense"), 100)), "UnsupportedImageError: a layer can't be read: its archive: archive/tar: invalid tar header."},
			"gone":    {digest.FromString("elsewhere").String(), "UnsupportedImageError: the registry hasn't one of its layers."},
		} {
			w.push("app", tag, tt.layer)
			if err := w.start("app", tag); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			w.is("app", tag, "FAILED: "+tt.want)
			fails(t, w.start("app", tag), "LimitExceededException", "quota per image")
		}
	})
}

// TestTakenUp: a scan that was broken off, or that the disk broke off, goes on; the loop ends in the middle of one.
func TestTakenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := open(t)
		w.source.set(t, vulnerable("CVE-1", "Alpine:v3.19", "a"))
		w.push("app", "1", w.apk("a"))
		if err := w.start("app", "1"); err != nil {
			t.Fatal(err)
		}
		w.is("app", "1", "PENDING")
		w.broken = errors.New("the disk is broken")
		ctx, stop := context.WithCancel(t.Context())
		go w.run(ctx)
		time.Sleep(time.Minute)
		w.is("app", "1", "IN_PROGRESS")
		stop()
		synctest.Wait()
		w.broken = nil
		go w.run(t.Context())
		synctest.Wait()
		w.is("app", "1", done+" CVE-1")
	})
}
