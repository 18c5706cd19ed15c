package inventory

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

// A file of a layer: content, a directory when its name ends in a slash, or a link.
type file struct{ name, content, link string }

func layer(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Size: int64(len(f.content)), Mode: 0o755, Typeflag: tar.TypeReg}
		if strings.HasSuffix(f.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if f.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, f.link
			if f.content == "hard" {
				h.Typeflag, h.Size, f.content = tar.TypeLink, 0, ""
			}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(f.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstded(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// of is what there is to see of layers.
func of(t *testing.T, layers ...[]byte) Inventory {
	t.Helper()
	u := NewUnion()
	for i, l := range layers {
		if err := u.Add(bytes.NewReader(l)); err != nil {
			t.Fatalf("layer %d: %v", i, err)
		}
	}
	return u.Inventory()
}

// What a Debian's dpkg says, as in the image debian:12.
const (
	debian = `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
ID=debian
`
	status = `Package: libc6
Status: install ok installed
Priority: optional
Architecture: amd64
Multi-Arch: same
Source: glibc
Version: 2.36-9+deb12u3
Depends: libgcc-s1
Description: GNU C Library: Shared libraries
 Contains the standard libraries that are used by nearly all programs on
 Version: 0 of this text is none
 .
 the system.
Homepage: https://www.gnu.org/software/libc/libc.html

Package: libgcc-s1
Status: install ok unpacked
Source: gcc-12 (12.2.0-14)
Version: 12.2.0-14+b1

Package: bash
Status: deinstall ok config-files
Version: 5.2.15-2+b2

Package: zlib1g
Status: install ok installed
Source: zlib (1:1.2.13.dfsg-1)
Version: 1:1.2.13.dfsg-1
`
	installed = `C:Q1l5mDXaDZ8Qk/Uq+JM2MVpzCcgIo=
P:musl
V:1.2.4-r2
A:x86_64
S:389652
T:the musl c library (libc) implementation
o:musl
m:Timo Teräs <timo.teras@iki.fi>
F:lib
R:ld-musl-x86_64.so.1

C:Q1xx=
P:libcrypto3
V:3.1.4-r5
o:openssl
`
	alpine = `NAME="Alpine Linux"
ID=alpine
VERSION_ID=3.19.1
PRETTY_NAME="Alpine Linux v3.19"
`
)

func TestDebian(t *testing.T) {
	t.Parallel()
	got := of(t, gzipped(t, layer(t,
		file{name: "etc/"}, file{name: "etc/os-release", link: "../usr/lib/os-release"}, file{name: "usr/lib/os-release", content: debian}, file{name: "./var/lib/dpkg/status", content: status})))
	want := Inventory{
		System{"debian", "12", "Debian GNU/Linux 12 (bookworm)"},
		[]Package{
			{Deb, "libc6", "2.36-9+deb12u3", "glibc", ""},
			{Deb, "libgcc-s1", "12.2.0-14+b1", "gcc-12", "12.2.0-14"},
			{Deb, "zlib1g", "1:1.2.13.dfsg-1", "zlib", "1:1.2.13.dfsg-1"},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if name, version := got.Packages[0].Origin(); name != "glibc" || version != "2.36-9+deb12u3" {
		t.Errorf("libc6 is of %s %s", name, version)
	}
	b, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(b)
	if d := cmp.Diff(want, back); d != "" || err != nil {
		t.Errorf("decoded: %v (-want +got):\n%s", err, d)
	}
}

func TestDistroless(t *testing.T) {
	t.Parallel()
	got := of(t,
		layer(t, file{name: "usr/lib/os-release", content: debian}),
		layer(t, file{name: "var/lib/dpkg/status.d/tzdata", content: "Package: tzdata\nVersion: 2024a-0+deb12u1\n"}, file{name: "var/lib/dpkg/status.d/tzdata.md5sums", content: "0 Package: x"}),
		layer(t, file{name: "var/lib/dpkg/status.d/libssl3", content: "Package: libssl3\nSource: openssl\nVersion: 3.0.13-1~deb12u1\n"}))
	want := []Package{{Deb, "libssl3", "3.0.13-1~deb12u1", "openssl", ""}, {Deb, "tzdata", "2024a-0+deb12u1", "", ""}}
	if d := cmp.Diff(want, got.Packages); d != "" || got.System.ID != "debian" {
		t.Errorf("%v (-want +got):\n%s", got.System, d)
	}
}

func TestAlpine(t *testing.T) {
	t.Parallel()
	want := []Package{{Apk, "libcrypto3", "3.1.4-r5", "openssl", ""}, {Apk, "musl", "1.2.4-r2", "", ""}}
	for _, where := range []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"} {
		got := of(t, zstded(t, layer(t, file{name: "etc/os-release", content: alpine}, file{name: where, content: installed})))
		if d := cmp.Diff(want, got.Packages); d != "" || got.System != (System{"alpine", "3.19.1", "Alpine Linux v3.19"}) {
			t.Errorf("%s: %v (-want +got):\n%s", where, got.System, d)
		}
	}
}

// TestWhiteouts: what a layer takes away isn't there, and what it has is, wherever in it the whiteouts stand.
func TestWhiteouts(t *testing.T) {
	t.Parallel()
	below := layer(t, file{name: "lib/apk/db/installed", content: installed}, file{name: "etc/os-release", content: alpine})
	one := "P:one\nV:1-r0\n"
	for name, tt := range map[string]struct {
		above []file
		want  []string
	}{
		"nothing":              {nil, []string{"libcrypto3", "musl"}},
		"replaced":             {[]file{{name: "lib/apk/db/installed", content: one}}, []string{"one"}},
		"removed":              {[]file{{name: "lib/apk/db/.wh.installed"}}, nil},
		"its directory":        {[]file{{name: "lib/.wh.apk"}}, nil},
		"opaque":               {[]file{{name: "lib/apk/.wh..wh..opq"}}, nil},
		"opaque, then anew":    {[]file{{name: "lib/.wh..wh..opq"}, {name: "lib/apk/db/installed", content: one}}, []string{"one"}},
		"anew, then opaque":    {[]file{{name: "lib/apk/db/installed", content: one}, {name: "lib/.wh..wh..opq"}}, []string{"one"}},
		"opaque root":          {[]file{{name: ".wh..wh..opq"}}, nil},
		"a file for a dir":     {[]file{{name: "lib/apk", content: "x"}}, nil},
		"a link for a file":    {[]file{{name: "lib/apk/db/installed", link: "/x"}}, nil},
		"a dir for a file":     {[]file{{name: "lib/apk/db/installed/"}}, nil},
		"a dir for a dir":      {[]file{{name: "lib/apk/"}}, []string{"libcrypto3", "musl"}},
		"a neighbour":          {[]file{{name: "lib/apk/.wh.dbx"}, {name: "lib/ap", content: "x"}}, []string{"libcrypto3", "musl"}},
		"linked":               {[]file{{name: "usr/lib/apk/db/installed", content: "hard", link: "lib/apk/db/installed"}, {name: "lib/.wh.apk"}}, []string{"libcrypto3", "musl"}},
		"out of the root":      {[]file{{name: "../../lib/apk/db/installed", content: one}}, []string{"one"}},
		"twice in one":         {[]file{{name: "lib/apk/db/installed", content: "P:x\nV:1"}, {name: "lib/apk/db/installed", content: one}}, []string{"one"}},
		"other whiteouts":      {[]file{{name: "lib/apk/db/.wh..wh.plnk"}}, []string{"libcrypto3", "musl"}},
		"text that is no list": {[]file{{name: "lib/apk/db/installed", content: "\x00\xff:\n:::\n\nP:\nV:1\n"}}, nil},
	} {
		var got []string
		for _, p := range of(t, below, layer(t, tt.above...)).Packages {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// TestProgram reads the modules of this very test, which are there to see.
func TestProgram(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	has := func(list []Package, name string) bool {
		return slices.ContainsFunc(list, func(p Package) bool { return p.Kind == Go && p.Name == name && p.Version != "" })
	}
	got := of(t, layer(t, file{name: "usr/bin/it", content: string(b)}, file{name: "bin/same", content: "hard", link: "usr/bin/it"})).Packages
	names := []string{"stdlib"}
	if info, ok := debug.ReadBuildInfo(); ok { // tests may have no modules
		for _, m := range info.Deps {
			names = append(names, m.Path)
		}
	}
	for _, name := range names {
		if !has(got, name) {
			t.Errorf("no %s in %v", name, got)
		}
	}
	for name, l := range map[string][]file{
		"removed":  {{name: "usr/bin/.wh.it"}, {name: "bin/.wh.same"}},
		"replaced": {{name: "usr/bin/it", content: "#!/bin/sh"}, {name: "bin/same", link: "it"}},
	} {
		if got := of(t, layer(t, file{name: "usr/bin/it", content: string(b)}), layer(t, l...)).Packages; len(got) > 0 {
			t.Errorf("%s, and there are %v", name, got)
		}
	}
}

// info is build information as Go's linker writes it.
func info(version, modules string) string {
	head := append([]byte("\xff Go buildinf:"), 8, 2)
	head = append(head, make([]byte, 16)...)
	head = binary.AppendUvarint(head, uint64(len(version)))
	head = append(head, version...)
	framed := strings.Repeat("<", 16) + modules + strings.Repeat(">", 16)
	if modules == "" {
		framed = ""
	}
	head = binary.AppendUvarint(head, uint64(len(framed)))
	return string(append(head, framed...))
}

// TestBuildInfo finds build information wherever it is in a program.
func TestBuildInfo(t *testing.T) {
	t.Parallel()
	const modules = "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.17.0\th1:x=\ndep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv1.0.1\th1:y=\n"
	want := []Package{{Kind: Go, Name: "stdlib", Version: "1.21.5"}, {Kind: Go, Name: "golang.org/x/net", Version: "0.17.0"}, {Kind: Go, Name: "example.com/new", Version: "1.0.1"}}
	it := info("go1.21.5 X:boringcrypto", modules)
	for name, text := range map[string]string{
		"at once":          "\x7fELF" + it,
		"far behind":       "\x7fELF" + strings.Repeat("\x00", 200_000) + it + strings.Repeat("x", 200_000),
		"over a window":    "\x7fELF" + strings.Repeat("\x00", 64<<10-10) + it,
		"behind a decoy":   "\x7fELF" + "\xff Go buildinf:" + strings.Repeat("x", 100) + info("nonsense", "") + it,
		"behind a pointer": "\x7fELF" + "\xff Go buildinf:\x08\x00" + strings.Repeat("\x01", 16) + it,
	} {
		got, err := program(strings.NewReader(text))
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
	for name, text := range map[string]string{"no program": it, "cut": "\x7fELF" + it[:20], "cut in a text": "\x7fELF" + it[:35], "nothing": "", "short": "\x7fE"} {
		if got, err := program(strings.NewReader(text)); len(got) > 0 || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, want := range map[string]string{"go1.21": "1.21.0", "go1.22rc1": "1.22.0-rc.1", "go1.20.3": "1.20.3", "devel go1.23-abc": "", "go1.19beta1": "1.19.0-beta.1"} {
		if got := release(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestBounds: what is too much, or no layer, is an error that says so; a fault of the disk is another.
func TestBounds(t *testing.T) {
	t.Parallel()
	l := gzipped(t, layer(t, file{name: "lib/apk/db/installed", content: installed}, file{name: "a", content: strings.Repeat("x", 5000)}))
	for name, limits := range map[string]Limits{"bytes": {2000, 100, 10000}, "entries": {1 << 20, 1, 10000}, "kept": {1 << 20, 100, 100}} {
		u := NewUnion()
		u.limits = limits
		if _, ok := errors.AsType[*TooLargeError](u.Add(bytes.NewReader(l))); !ok {
			t.Errorf("%s: it isn't too large", name)
		}
	}
	for name, bad := range map[string][]byte{
		"cut":         l[:len(l)/2],
		"no gzip":     append([]byte{0x1f, 0x8b}, "nonsense, which is long enough"...),
		"no zstd":     append([]byte{0x28, 0xb5, 0x2f, 0xfd}, "nonsense, which is long enough"...),
		"no archive":  bytes.Repeat([]byte("nonsense"), 200),
		"cut archive": layer(t, file{name: "a", content: strings.Repeat("x", 5000)})[:1000],
	} {
		if err := NewUnion().Add(bytes.NewReader(bad)); err == nil {
			t.Errorf("%s: no error", name)
		} else if _, ok := errors.AsType[*MalformedError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	broken := errors.New("the disk is broken")
	err := NewUnion().Add(io.MultiReader(bytes.NewReader(l[:100]), failing{broken}))
	if _, malformed := errors.AsType[*MalformedError](err); malformed || !errors.Is(err, broken) {
		t.Errorf("a broken disk: %v", err)
	}
	if err := NewUnion().Add(strings.NewReader("")); err != nil {
		t.Errorf("a layer of nothing: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzLayer: whatever the bytes, adding them ends without a panic, and what is there can be listed and kept.
func FuzzLayer(f *testing.F) {
	whole := layer(f, file{name: "etc/os-release", content: debian}, file{name: "var/lib/dpkg/status", content: status}, file{name: "lib/apk/db/installed", content: installed},
		file{name: "bin/go", content: "\x7fELF" + info("go1.21.5", "path\tx\ndep\ty\tv1.0.0\n")}, file{name: "var/lib/.wh.dpkg"}, file{name: "l", content: "hard", link: "bin/go"})
	f.Add(whole)
	f.Add(gzipped(f, whole))
	f.Add(zstded(f, whole))
	f.Fuzz(func(t *testing.T, b []byte) {
		u := NewUnion()
		u.limits = Limits{Bytes: 16 << 20, Entries: 10_000, Kept: 1 << 20}
		for range 2 {
			_ = u.Add(bytes.NewReader(b)) // it may be an error
		}
		v := u.Inventory()
		text, err := v.Encode()
		if err != nil {
			return
		}
		back, err := Decode(text)
		if err != nil || len(back.Packages) != len(v.Packages) {
			t.Errorf("%d packages became %d: %v", len(v.Packages), len(back.Packages), err)
		}
	})
}

// FuzzProgram: whatever a program has in it, reading it ends without a panic.
func FuzzProgram(f *testing.F) {
	f.Add("\x7fELF" + info("go1.21.5", "path\tx\nmod\tx\tv1.0.0\n"))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := program(strings.NewReader(text)); err != nil {
			t.Errorf("%v", err)
		}
	})
}
