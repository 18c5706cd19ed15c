package osv

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/service/ecr/scan/inventory"
)

// Records as OSV's exports have them, shortened.
var records = []string{
	// One of Debian's, with urgencies.
	`{"id":"DEBIAN-CVE-2023-4911","modified":"2025-11-19T02:03:31.000Z","published":"2023-10-03T18:15:10Z","upstream":["CVE-2023-4911"],
	  "details":"A buffer overflow was discovered in the GNU C Library's dynamic loader ld.so while processing the GLIBC_TUNABLES environment variable.",
	  "affected":[
	   {"package":{"ecosystem":"Debian:12","name":"glibc","purl":"pkg:deb/debian/glibc?arch=source"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.36-9+deb12u3"}]}],"versions":["2.36-9","2.36-9+deb12u1"],"ecosystem_specific":{"urgency":"high"}},
	   {"package":{"ecosystem":"Debian:13","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.37-12"}]}],"ecosystem_specific":{"urgency":"not yet assigned"}}],
	  "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}]}`,
	// An advisory about the same and another, which an older export names as related.
	`{"id":"DSA-5514-1","modified":"2023-10-03T20:00:00Z","related":["CVE-2023-4911","CVE-2023-5156"],"summary":"glibc - security update",
	  "affected":[{"package":{"ecosystem":"Debian:12","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.36-9+deb12u3"}]}]}]}`,
	// One that nobody has mended, and that isn't important.
	`{"id":"DEBIAN-CVE-2010-4756","modified":"2024-01-01T00:00:00Z","upstream":["CVE-2010-4756"],"details":"The glob implementation in the GNU C Library allows remote authenticated users to cause a denial of service.",
	  "affected":[{"package":{"ecosystem":"Debian:12","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}],"ecosystem_specific":{"urgency":"unimportant"}}]}`,
	`{"id":"DEBIAN-CVE-2022-0001","modified":"2024-01-01T00:00:00Z","withdrawn":"2024-01-02T00:00:00Z","affected":[{"package":{"ecosystem":"Debian:12","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`,
	// Of Ubuntu: a priority, names of ecosystems with what is behind them.
	`{"id":"UBUNTU-CVE-2023-4911","modified":"2024-02-01T00:00:00Z","upstream":["CVE-2023-4911"],"related":["USN-6409-1"],"details":"Looney tunables.","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"},{"type":"Ubuntu","score":"medium"}],
	  "affected":[{"package":{"ecosystem":"Ubuntu:22.04:LTS","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.35-0ubuntu3.4"}]}]},
	   {"package":{"ecosystem":"Ubuntu:Pro:22.04:LTS","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"}]}]}]}`,
	// Of Alpine: none but a score.
	`{"id":"ALPINE-CVE-2023-6129","modified":"2024-03-01T00:00:00Z","upstream":["CVE-2023-6129"],"details":"POLY1305 MAC implementation corrupts vector registers on PowerPC","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:N/I:L/A:H"}],
	  "affected":[{"package":{"ecosystem":"Alpine:v3.19","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.1.4-r3"}]}],"versions":["3.1.4-r0","3.1.4-r1"]}]}`,
	// Of Go: of its own database, without a severity, and of GitHub's.
	`{"id":"GO-2023-2102","modified":"2024-05-20T16:03:47Z","aliases":["CVE-2023-39325","GHSA-4374-p667-p6c8"],"summary":"HTTP/2 rapid reset can cause excessive work in net/http","details":"A malicious HTTP/2 client which rapidly creates requests and immediately resets them can cause excessive server resource consumption.",
	  "affected":[{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"1.20.10"},{"introduced":"1.21.0-0"},{"fixed":"1.21.3"}]}],"ecosystem_specific":{"imports":[{"path":"net/http"}]}},
	   {"package":{"name":"golang.org/x/net","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"0.17.0"}]}]}],
	  "database_specific":{"url":"https://pkg.go.dev/vuln/GO-2023-2102","review_status":"REVIEWED"}}`,
	`{"id":"GHSA-4374-p667-p6c8","modified":"2023-11-01T00:00:00Z","aliases":["CVE-2023-39325","GO-2023-2102"],"summary":"HTTP/2 rapid reset can cause excessive work in net/http","details":"",
	  "severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}],
	  "affected":[{"package":{"ecosystem":"Go","name":"golang.org/x/net"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"0.17.0"}]}]}],
	  "database_specific":{"severity":"HIGH","cwe_ids":["CWE-770"],"github_reviewed":true}}`,
	`{"id":"GO-2024-0001","modified":"2024-05-20T16:03:47Z","summary":"no CVE","affected":[{"package":{"name":"example.com/x","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"1.0.0"},{"last_affected":"1.2.0"}]},{"type":"GIT","repo":"x","events":[{"introduced":"abc"}]}],"versions":["2.0.0"]}],"database_specific":"something else"}`,
	`{"id":"PYSEC-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"PyPI","name":"requests"},"versions":["1"]}]}`,
}

func database(t testing.TB) *Database {
	t.Helper()
	b := NewBuilder(1 << 20)
	for _, r := range records {
		if err := b.Add([]byte(r)); err != nil {
			t.Fatalf("%v: %s", err, r)
		}
	}
	return b.Done()
}

func deb(name, version string) inventory.Package {
	return inventory.Package{Kind: inventory.Deb, Name: name, Version: version}
}

// brief says of findings what matters.
func brief(list []Finding) (out []string) {
	for _, f := range list {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s>%s", f.Severity, f.Name, f.Package, f.Version, f.Fixed)))
	}
	return out
}

func TestFind(t *testing.T) {
	t.Parallel()
	db := database(t)
	if want := time.Date(2025, 11, 19, 2, 3, 31, 0, time.UTC); !db.Updated.Equal(want) || db.Records != 8 {
		t.Errorf("%d records, updated %s, want 8, %s", db.Records, db.Updated, want)
	}
	goPackage := func(name, version string) inventory.Package {
		return inventory.Package{Kind: inventory.Go, Name: name, Version: version}
	}
	apk := inventory.Package{Kind: inventory.Apk, Name: "libcrypto3", Version: "3.1.4-r2", Source: "openssl"}
	debian, ubuntu := inventory.System{ID: "debian", Version: "12"}, inventory.System{ID: "ubuntu", Version: "22.04"}
	for name, tt := range map[string]struct {
		system         inventory.System
		packages       []inventory.Package
		want           []string
		known, unknown []string
	}{
		"debian": {debian, []inventory.Package{
			{Kind: inventory.Deb, Name: "libc6", Version: "2.36-9+deb12u1", Source: "glibc"}, {Kind: inventory.Deb, Name: "libc-bin", Version: "2.36-9+deb12u1", Source: "glibc"}, deb("bash", "5.2.15-2"),
		}, []string{"HIGH CVE-2023-4911 glibc 2.36-9+deb12u1>2.36-9+deb12u3", "INFORMATIONAL CVE-2010-4756 glibc 2.36-9+deb12u1>", "UNDEFINED CVE-2023-5156 glibc 2.36-9+deb12u1>2.36-9+deb12u3"}, []string{"Debian:12"}, nil},
		"debian, mended":       {debian, []inventory.Package{deb("glibc", "2.36-9+deb12u3")}, []string{"INFORMATIONAL CVE-2010-4756 glibc 2.36-9+deb12u3>"}, []string{"Debian:12"}, nil},
		"the source's version": {debian, []inventory.Package{{Kind: inventory.Deb, Name: "libc6", Version: "9.9", Source: "glibc", SourceVersion: "2.36-9+deb12u3"}}, []string{"INFORMATIONAL CVE-2010-4756 glibc 2.36-9+deb12u3>"}, []string{"Debian:12"}, nil},
		"not yet assigned":     {inventory.System{ID: "debian", Version: "13"}, []inventory.Package{deb("glibc", "2.36")}, []string{"HIGH CVE-2023-4911 glibc 2.36>2.37-12"}, []string{"Debian:13"}, nil},
		"ubuntu":               {ubuntu, []inventory.Package{deb("glibc", "2.35-0ubuntu3.1")}, []string{"MEDIUM CVE-2023-4911 glibc 2.35-0ubuntu3.1>2.35-0ubuntu3.4"}, []string{"Ubuntu:22.04"}, nil},
		"ubuntu, mended":       {ubuntu, []inventory.Package{deb("glibc", "2.35-0ubuntu3.4")}, nil, []string{"Ubuntu:22.04"}, nil},
		"alpine":               {inventory.System{ID: "alpine", Version: "3.19.1"}, []inventory.Package{apk}, []string{"MEDIUM CVE-2023-6129 openssl 3.1.4-r2>3.1.4-r3"}, []string{"Alpine:v3.19"}, nil},
		"another alpine":       {inventory.System{ID: "alpine", Version: "3.18.0"}, []inventory.Package{apk}, nil, nil, []string{"Alpine:v3.18"}},
		"edge":                 {inventory.System{ID: "alpine", Version: "3.21_alpha20240923"}, []inventory.Package{apk}, nil, nil, []string{"Alpine:edge"}},
		"another system":       {inventory.System{ID: "fedora", Version: "40"}, []inventory.Package{deb("glibc", "2.35")}, nil, nil, nil},
		"no packages":          {debian, nil, nil, nil, nil},
		"go, in no system":     {inventory.System{}, []inventory.Package{goPackage("stdlib", "1.21.2"), goPackage("golang.org/x/net", "0.16.0"), goPackage("example.com/y", "1.0.0")}, []string{"HIGH CVE-2023-39325 golang.org/x/net 0.16.0>0.17.0", "UNDEFINED CVE-2023-39325 stdlib 1.21.2>1.21.3"}, []string{"Go"}, nil},
		"go, the older one":    {inventory.System{}, []inventory.Package{goPackage("stdlib", "1.19.0")}, []string{"UNDEFINED CVE-2023-39325 stdlib 1.19.0>1.20.10"}, []string{"Go"}, nil},
		"go, mended":           {inventory.System{}, []inventory.Package{goPackage("stdlib", "1.20.10"), goPackage("stdlib", "1.21.3"), goPackage("golang.org/x/net", "0.17.0"), goPackage("stdlib", "devel")}, nil, []string{"Go"}, nil},
		"last affected":        {inventory.System{}, []inventory.Package{goPackage("example.com/x", "1.2.0"), goPackage("example.com/x", "1.2.1"), goPackage("example.com/x", "0.9.0"), goPackage("example.com/x", "2.0.0")}, []string{"UNDEFINED GO-2024-0001 example.com/x 1.2.0>", "UNDEFINED GO-2024-0001 example.com/x 2.0.0>"}, []string{"Go"}, nil},
	} {
		r := db.Find(inventory.Inventory{System: tt.system, Packages: tt.packages})
		if got := brief(r.Findings); !slices.Equal(got, tt.want) {
			t.Errorf("%s: (-want +got):\n%s", name, cmp.Diff(tt.want, got))
		}
		if !slices.Equal(r.Known, tt.known) || !slices.Equal(r.Unknown, tt.unknown) {
			t.Errorf("%s: known %v, unknown %v, want %v, %v", name, r.Known, r.Unknown, tt.known, tt.unknown)
		}
	}
}

func TestFinding(t *testing.T) {
	t.Parallel()
	r := database(t).Find(inventory.Inventory{System: inventory.System{ID: "debian", Version: "12"}, Packages: []inventory.Package{deb("glibc", "2.36-9")}})
	want := Finding{
		Name: "CVE-2023-4911", Description: "A buffer overflow was discovered in the GNU C Library's dynamic loader ld.so while processing the GLIBC_TUNABLES environment variable.",
		URI: "https://security-tracker.debian.org/tracker/CVE-2023-4911", Severity: High, Package: "glibc", Version: "2.36-9", Fixed: "2.36-9+deb12u3",
		Vector: "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", Score: 7.8,
	}
	if d := cmp.Diff(want, r.Findings[0]); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]int32{"HIGH": 1, "INFORMATIONAL": 1, "UNDEFINED": 1}, r.Counts()); d != "" {
		t.Errorf("counts (-want +got):\n%s", d)
	}
	if got := want.Standard(); got != "3" {
		t.Errorf("it is of CVSS %s", got)
	}
	for _, tt := range [][4]string{
		{"Go", "CVE-1", "GO-1", "https://pkg.go.dev/vuln/GO-1"},
		{"Go", "GHSA-1", "GHSA-1", "https://osv.dev/vulnerability/GHSA-1"},
		{"Ubuntu:22.04", "CVE-1", "USN-1", "https://ubuntu.com/security/CVE-1"},
		{"Alpine:v3.19", "CVE-1", "ALPINE-CVE-1", "https://security.alpinelinux.org/vuln/CVE-1"},
	} {
		if got := link(tt[0], tt[1], tt[2]); got != tt[3] {
			t.Errorf("%v: %s", tt, got)
		}
	}
}

func TestRated(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		list []rating
		want Severity
	}{
		{nil, Undefined},
		{[]rating{{"CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}, Critical},
		{[]rating{{"CVSS_V3", "CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}}, High},
		{[]rating{{"CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}}, Critical},
		{[]rating{{"CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}, {"CVSS_V3", "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}}, Low},
		{[]rating{{"CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C"}}, High},
		{[]rating{{"CVSS_V2", "(AV:N/AC:M/Au:N/C:P/I:N/A:N)"}}, Medium},
		{[]rating{{"CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N"}}, Informational},
		{[]rating{{"CVSS_V3", "CVSS:3.1/nonsense"}}, Undefined},
		{[]rating{{"CVSS_V3", strings.Repeat("x", 300)}}, Undefined},
	} {
		if got := rated(best(tt.list)); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.list, got, tt.want)
		}
	}
	for i, s := range []Severity{Critical, High, Medium, Low, Informational, Undefined} {
		if i > 0 && s.Rank() <= []Severity{Critical, High, Medium, Low, Informational, Undefined}[i-1].Rank() {
			t.Errorf("%s has rank %d", s, s.Rank())
		}
	}
}

func TestBuilder(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`{`, "unexpected end"}, {`{"modified":"2024-01-01T00:00:00Z"}`, "no id"}, {`[]`, "cannot unmarshal"}, {`{"id":"x","modified":"yesterday"}`, "yesterday"},
	} {
		if err := NewBuilder(1 << 20).Add([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
	b := NewBuilder(3000)
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		err = b.Add([]byte(strings.ReplaceAll(records[0], "2023-4911", fmt.Sprint(n))))
	}
	if large, ok := errors.AsType[*TooLargeError](err); !ok || large.Most != 3000 || n < 2 {
		t.Errorf("after %d records: %v", n, err)
	}
	b = NewBuilder(1 << 20)
	long := `{"id":"CVE-1","details":"` + strings.Repeat("ä", 2000) + `","affected":[{"package":{"ecosystem":"Go","name":"x"},"versions":["1.0.0"]}]}`
	if err := b.Add([]byte(long)); err != nil {
		t.Fatal(err)
	}
	r := b.Done().Find(inventory.Inventory{Packages: []inventory.Package{{Kind: inventory.Go, Name: "x", Version: "1.0.0"}}})
	if got := r.Findings[0].Description; len(got) > 1010 || strings.ToValidUTF8(got, "?") != got || !strings.HasSuffix(got, "ä…") {
		t.Errorf("a description of %d bytes: %q", len(got), got)
	}
}

// FuzzRecord: whatever a record says, taking it and asking about it ends without a panic.
func FuzzRecord(f *testing.F) {
	for _, r := range records {
		f.Add(r, "1.2.3-r0")
	}
	f.Fuzz(func(t *testing.T, text, version string) {
		b := NewBuilder(1 << 20)
		if b.Add([]byte(text)) != nil {
			return
		}
		db := b.Done()
		for at := range db.entries {
			for _, p := range []inventory.Package{{Kind: inventory.Deb, Name: at.name, Version: version}, {Kind: inventory.Go, Name: at.name, Version: version}} {
				for _, s := range []string{"debian", "ubuntu", "alpine"} {
					_, release, _ := strings.Cut(strings.TrimPrefix(at.ecosystem, "Alpine:v"), ":")
					for _, f := range db.Find(inventory.Inventory{System: inventory.System{ID: s, Version: release}, Packages: []inventory.Package{p}}).Findings {
						if f.Name == "" || f.Severity.Rank() < 0 {
							t.Errorf("a finding %+v", f)
						}
					}
				}
			}
		}
	})
}
