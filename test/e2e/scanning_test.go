package e2e

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// An image of this machine's own system, and of the test application, is scanned for what a database of the test's says of them.
func TestScanning(t *testing.T) {
	t.Parallel()
	need(t)
	release := read(t, "/etc/os-release")
	system := map[string]string{"debian": "Debian:", "ubuntu": "Ubuntu:"}[field(release, "ID=")] + field(release, "VERSION_ID=")
	if !strings.Contains(system, ":") {
		t.Skipf("this machine's system is neither Debian nor Ubuntu: %s", release)
	}
	version := strings.TrimSpace(string(must(exec.Command("dpkg-query", "-W", "-f", "${source:Version}", "dpkg").Output())(t)))
	dir := t.TempDir()
	database := filepath.Join(dir, "osv")
	if err := os.Mkdir(database, 0o700); err != nil {
		t.Fatal(err)
	}
	vulnerable := func(id, ecosystem, kind, name, fixed string) (string, string) {
		return id + ".json", fmt.Sprintf(`{"id":%q,"modified":"2026-11-01T00:00:00Z","details":"made up","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
			"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":%q,"events":[{"introduced":"0"},{"fixed":%q}]}],"ecosystem_specific":{"urgency":"low"}}]}`, id, ecosystem, name, kind, fixed)
	}
	export := func(name string, records ...string) {
		t.Helper()
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := 0; i < len(records); i += 2 {
			must(must(z.Create(records[i]))(t).Write([]byte(records[i+1])))(t)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(database, name)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := vulnerable("CVE-2026-0001", system, "ECOSYSTEM", "dpkg", version+".1")
	c, d := vulnerable("CVE-2026-0002", system, "ECOSYSTEM", "dpkg", version)
	export("system.zip", a, b, c, d)

	s := start(t, "--vulnerabilities", database)
	run := func(query string, args ...string) string {
		t.Helper()
		return s.aws(t, append(append([]string{"ecr"}, args...), "--output", "text", "--query", query)...)
	}
	s.login(t)
	run("@", "create-repository", "--repository-name", "shop", "--image-scanning-configuration", "scanOnPush=true")
	files := map[string]string{
		"Dockerfile": "FROM " + baseImage + "\nCOPY os-release /etc/os-release\nCOPY status /var/lib/dpkg/status\n",
		"os-release": release, "status": read(t, "/var/lib/dpkg/status"),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	image := []string{"--repository-name", "shop", "--image-id", "imageTag=1"}
	s.dockerRun(t, "build", "-q", "-t", s.listen+"/shop:1", "-f", filepath.Join(dir, "Dockerfile"), dir)
	s.dockerRun(t, "push", "-q", s.listen+"/shop:1")
	takes(t, 30*time.Second, "the scan of the push is there", func() bool {
		_, err := s.awsRun(append([]string{"ecr", "describe-image-scan-findings"}, image...)...)
		return err == nil
	})
	s.aws(t, append([]string{"ecr", "wait", "image-scan-complete"}, image...)...)
	findings := func() string {
		t.Helper()
		return run("imageScanFindings.findings[].[severity,name,attributes[?key=='package_name'].value|[0],attributes[?key=='package_version'].value|[0]]", append([]string{"describe-image-scan-findings"}, image...)...)
	}
	first := "LOW\tCVE-2026-0001\tdpkg\t" + version
	if got := findings(); got != first {
		t.Errorf("findings: %s\nwant %s", got, first)
	}
	if got := run("imageScanStatus.description", append([]string{"describe-image-scan-findings"}, image...)...); !strings.HasPrefix(got, "The scan was completed successfully. The vulnerability database has nothing about Go") {
		t.Errorf("the scan's description is %s", got)
	}
	if got := run("imageDetails[].[imageScanStatus.status,imageScanFindingsSummary.findingSeverityCounts.LOW]", "describe-images", "--repository-name", "shop", "--image-ids", "imageTag=1"); got != "COMPLETE\t1" {
		t.Errorf("describe-images: %s", got)
	}
	if code, words := s.awsErr(t, append([]string{"ecr", "start-image-scan"}, image...)...); code != "LimitExceededException" || !strings.Contains(words, "The scan quota per image has been exceeded") {
		t.Errorf("start-image-scan: %s: %s", code, words)
	}

	// What is new of Go is found in the application, which nobody pushes again.
	release1, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go"), " ")
	a, b = vulnerable("GO-2026-0003", "Go", "SEMVER", "stdlib", "99.0.0")
	export("go.zip", a, b)
	second := first + "\nLOW\tGO-2026-0003\tstdlib\t" + release1
	takes(t, time.Minute, "findings of the new database", func() bool {
		return run("imageDetails[0].imageScanFindingsSummary.findingSeverityCounts.LOW", "describe-images", "--repository-name", "shop", "--image-ids", "imageTag=1") == "2"
	})
	if got := findings(); got != second {
		t.Errorf("findings: %s\nwant %s", got, second)
	}

	// A scan that a kill finds, wherever it is, is made up for, and one that is over stays.
	s.dockerRun(t, "tag", s.listen+"/shop:1", s.listen+"/other:1")
	run("@", "create-repository", "--repository-name", "other", "--image-scanning-configuration", "scanOnPush=true")
	s.dockerRun(t, "push", "-q", s.listen+"/other:1")
	s.kill9(t)
	s.serve(t)
	image[1] = "other"
	s.aws(t, append([]string{"ecr", "wait", "image-scan-complete"}, image...)...)
	for _, image[1] = range []string{"other", "shop"} {
		if got := findings(); got != second {
			t.Errorf("findings of %s after a kill: %s\nwant %s", image[1], got, second)
		}
	}
	run("@", "batch-delete-image", "--repository-name", "shop", "--image-ids", "imageTag=1")
	if code, _ := s.awsErr(t, "ecr", "describe-image-scan-findings", "--repository-name", "shop", "--image-id", "imageTag=1"); code != "ImageNotFoundException" {
		t.Errorf("findings of an image that is gone: %s", code)
	}
}

// read is what a file of this machine says.
func read(t *testing.T, path string) string {
	t.Helper()
	return string(must(os.ReadFile(path))(t))
}

// field is what stands behind a name in an os-release.
func field(release, name string) string {
	for line := range strings.Lines(release) {
		if value, ok := strings.CutPrefix(line, name); ok {
			return strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return ""
}
