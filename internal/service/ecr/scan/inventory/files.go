package inventory

import (
	"bytes"
	"io"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
)

// Where package managers say what is installed, and systems what they are.
var (
	releases = []string{"etc/os-release", "usr/lib/os-release"} // the first that is there counts (os-release(5))
	dpkgFile = "var/lib/dpkg/status"
	dpkgDir  = "var/lib/dpkg/status.d" // a file a package, in images without dpkg
	apkFiles = []string{"lib/apk/db/installed", "usr/lib/apk/db/installed"}
)

// mostText is how long such a file may be, in bytes.
const mostText = 32 << 20

// read reads a file, if it is of interest.
func read(r io.Reader, name string, size int64) (c content, is bool, err error) {
	if !isText(name) {
		c.packages, err = program(r)
		return c, len(c.packages) > 0, err
	}
	if size > mostText {
		return c, false, &TooLargeError{name}
	}
	c.text, err = io.ReadAll(r)
	return c, true, err
}

// isText tells whether a file is of a package manager, or says what the system is.
func isText(name string) bool {
	return name == dpkgFile || slices.Contains(releases, name) || slices.Contains(apkFiles, name) ||
		path.Dir(name) == dpkgDir && !strings.HasSuffix(name, ".md5sums")
}

// Inventory lists what there is to see.
func (u *Union) Inventory() (v Inventory) {
	for _, name := range releases {
		if c, ok := u.files[name]; ok {
			v.System = system(c.text)
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(u.files)) {
		c := u.files[name]
		switch {
		case name == dpkgFile, path.Dir(name) == dpkgDir:
			v.Packages = append(v.Packages, debs(c.text)...)
		case slices.Contains(apkFiles, name):
			v.Packages = append(v.Packages, apks(c.text)...)
		}
		v.Packages = append(v.Packages, c.packages...)
	}
	v.Packages = sorted(v.Packages)
	return v
}

// system reads an os-release.
func system(text []byte) (s System) {
	for line := range bytes.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			s.ID = value
		case "VERSION_ID":
			s.Version = value
		case "PRETTY_NAME":
			s.Name = value
		}
	}
	return s
}

// paragraphs yields the fields of each part of a text between empty lines, by their names. A line that begins with a blank goes on with
// what is before it, and isn't read.
func paragraphs(text []byte) iter.Seq[map[string]string] {
	return func(yield func(map[string]string) bool) {
		fields := map[string]string{}
		for line := range bytes.Lines(text) {
			s := strings.TrimRight(string(line), "\r\n")
			if strings.TrimSpace(s) == "" {
				if len(fields) > 0 && !yield(fields) {
					return
				}
				fields = map[string]string{}
				continue
			}
			if name, value, ok := strings.Cut(s, ":"); ok && s[0] != ' ' && s[0] != '\t' {
				fields[name] = strings.TrimSpace(value)
			}
		}
		if len(fields) > 0 {
			yield(fields)
		}
	}
}

// debs reads what dpkg says is installed (dpkg-query(1), deb-src-control(5)).
func debs(text []byte) (out []Package) {
	for f := range paragraphs(text) {
		status := strings.Fields(f["Status"]) // wanted, error flag, state
		if len(status) == 3 && (status[2] == "not-installed" || status[2] == "config-files") {
			continue
		}
		p := Package{Kind: Deb, Name: f["Package"], Version: f["Version"]}
		source, version, _ := strings.Cut(f["Source"], "(")
		p.Source, p.SourceVersion = strings.TrimSpace(source), strings.TrimSpace(strings.TrimSuffix(version, ")"))
		if p.Source == p.Name {
			p.Source = ""
		}
		if p.Name != "" && p.Version != "" {
			out = append(out, p)
		}
	}
	return out
}

// apks reads what apk says is installed (https://wiki.alpinelinux.org/wiki/Apk_spec).
func apks(text []byte) (out []Package) {
	for f := range paragraphs(text) {
		p := Package{Kind: Apk, Name: f["P"], Version: f["V"], Source: f["o"]}
		if p.Source == p.Name {
			p.Source = ""
		}
		if p.Name != "" && p.Version != "" {
			out = append(out, p)
		}
	}
	return out
}
