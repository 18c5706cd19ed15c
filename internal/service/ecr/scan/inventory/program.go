package inventory

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"runtime/debug"
	"strings"
)

var elf = []byte("\x7fELF")

// buildInfo is what the build information of Go's linker begins with, since Go 1.18: 16 bytes, of which the last one has inline set,
// then 16 bytes of nothing, and two texts with their lengths in front (Go's src/debug/buildinfo). It is made here, so that this
// program doesn't have it twice.
var buildInfo = append([]byte{0xff}, " Go buildinf:"...)

const (
	headLength = 32
	inline     = 2
	// mostVersion and mostModules are how long the texts may be, in bytes.
	mostVersion = 1 << 10
	mostModules = 4 << 20
	// sentinel is how many bytes are around the list of modules.
	sentinel = 16
)

// program reads which modules of Go a file is made of; none when it is something else. It takes a program as a stream, so a large one
// takes no room.
func program(r io.Reader) ([]Package, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	if head, err := in.Peek(len(elf)); !bytes.Equal(head, elf) {
		return nil, ended(err)
	}
	for {
		window, err := in.Peek(in.Size())
		if err = ended(err); err != nil {
			return nil, err
		}
		at := bytes.Index(window, buildInfo)
		if at < 0 && len(window) < in.Size() {
			return nil, nil
		}
		if at < 0 {
			_, _ = in.Discard(len(window) - len(buildInfo)) // it is there
			continue
		}
		_, _ = in.Discard(at)
		if list, err := modules(in); list != nil || err != nil {
			return list, err
		}
		if _, err := in.Discard(len(buildInfo)); err != nil {
			return nil, ended(err)
		}
	}
}

// ended is no error at a file's end.
func ended(err error) error {
	if err == io.EOF { //nolint:errorlint // bufio returns it as it is
		return nil
	}
	return err
}

// modules reads the build information that in is at; nothing is taken when there is none.
func modules(in *bufio.Reader) ([]Package, error) {
	head, err := in.Peek(headLength + binary.MaxVarintLen64)
	if err != nil || head[15]&inline == 0 {
		return nil, ended(err)
	}
	length, n := binary.Uvarint(head[headLength:])
	if n <= 0 || length > mostVersion {
		return nil, nil
	}
	head, err = in.Peek(headLength + n + int(length))
	if err != nil {
		return nil, ended(err)
	}
	version := string(head[headLength+n:])
	if !goVersion.MatchString(version) && !strings.HasPrefix(version, "devel ") {
		return nil, nil
	}
	_, _ = in.Discard(len(head)) // it is there
	if length, err = binary.ReadUvarint(in); err != nil || length > mostModules {
		return nil, nil // what can't be read is told by the next one who reads
	}
	text, err := io.ReadAll(io.LimitReader(in, int64(length)))
	if err != nil {
		return nil, err
	}
	return goPackages(version, text), nil
}

// goVersion is the form of the names of Go's releases, as go1.21, go1.21.3 and go1.22rc1, and what may be behind.
var goVersion = regexp.MustCompile(`^go(\d+\.\d+)(\.\d+)?((?:alpha|beta|rc)\d+)?`)

// release is a name of a release of Go as a semantic version, as advisories have it; "" for none.
func release(name string) string {
	m := goVersion.FindStringSubmatch(name)
	if m == nil {
		return ""
	}
	v := m[1] + ".0"
	if m[2] != "" {
		v = m[1] + m[2]
	}
	if m[3] != "" {
		word := strings.TrimRight(m[3], "0123456789")
		v += "-" + word + "." + m[3][len(word):]
	}
	return v
}

// goPackages are the standard library and the modules of a program.
func goPackages(version string, text []byte) (out []Package) {
	out = []Package{}
	add := func(m *debug.Module) {
		if m.Replace != nil {
			m = m.Replace
		}
		if v := strings.TrimPrefix(m.Version, "v"); v != "" && v != "(devel)" {
			out = append(out, Package{Kind: Go, Name: m.Path, Version: v})
		}
	}
	if v := release(version); v != "" {
		out = append(out, Package{Kind: Go, Name: "stdlib", Version: v})
	}
	if len(text) < 2*sentinel {
		return out
	}
	info, err := debug.ParseBuildInfo(string(text[sentinel : len(text)-sentinel]))
	if err != nil {
		return out
	}
	add(&info.Main)
	for _, m := range info.Deps {
		add(m)
	}
	return out
}
