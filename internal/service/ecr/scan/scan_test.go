package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/service/ecr/scan/vulndb"
)

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
