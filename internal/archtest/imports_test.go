package archtest

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// imports finds what a package must not import.
func (t tree) imports() []string {
	return t.each(func(pkg string, files []source) []string {
		f, ok := floorOf(pkg)
		if !ok {
			return []string{pkg + " stands on no floor: give it one in internal/archtest"}
		}
		var found []string
		for _, src := range files {
			for _, spec := range src.ast.Imports {
				imp, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					continue
				}
				if why := forbidden(f, pkg, src.test, imp); why != "" {
					found = append(found, fmt.Sprintf("%s imports %s: %s", src.name, strings.TrimPrefix(imp, module), why))
				}
			}
		}
		return found
	})
}

// forbidden says why a file of pkg must not import imp, or nothing.
func forbidden(f floor, pkg string, test bool, imp string) string {
	own, ours := strings.CutPrefix(imp, module)
	switch {
	case ours && test:
		return forTest(pkg, own)
	case ours:
		return forCode(f, pkg, own)
	case !test && imp == "testing" && !strings.HasSuffix(pkg, "test"):
		return "only tests and packages named for them test"
	case !test && below(pkg, "internal/service") && f.handles() && slices.Contains(effects, imp):
		return "a handler reads and writes records, nothing else"
	}
	for lib, place := range libraries {
		if strings.HasPrefix(imp, lib) && !test && !belowAny(pkg, place) {
			return "only " + strings.Join(place, ", ") + " may"
		}
	}
	return ""
}

// forCode judges an import of ours by code that is part of the program.
func forCode(f floor, pkg, imp string) string {
	switch {
	case strings.HasSuffix(imp, "test") && !strings.HasSuffix(pkg, "test"):
		return "it is for tests"
	case family(pkg) == family(imp):
		return ""
	case belowAny(imp, f.may):
		return ""
	case below(pkg, "internal/service") && below(imp, "internal/service"):
		return "services never import each other"
	}
	return fmt.Sprintf("%s may import %s", f.place, cmp.Or(strings.Join(names(f.may), ", "), "nothing of ours"))
}

// forTest judges an import of ours by a test: it may look aside and down.
func forTest(pkg, imp string) string {
	switch {
	case family(pkg) == family(imp):
		return ""
	case below(pkg, "internal/service") && below(imp, "internal/service"):
		return "services never import each other, nor do their tests"
	case belowAny(imp, []string{"cmd", "internal/cli", "internal/daemon"}) && !below(pkg, "internal/cli"):
		return "imports only go down"
	}
	return ""
}

func names(places []string) []string {
	var out []string
	for _, p := range places {
		out = append(out, path.Base(p))
	}
	return out
}
