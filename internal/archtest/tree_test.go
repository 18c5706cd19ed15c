package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A source is one Go file of the tree.
type source struct {
	name string // relative to the root
	test bool
	ast  *ast.File
}

// A tree is all Go files, by the package's path relative to the root.
type tree struct {
	set      *token.FileSet
	packages map[string][]source
}

// read parses every Go file below the root.
func read(root fs.FS) (tree, error) {
	t := tree{set: token.NewFileSet(), packages: map[string][]source{}}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" {
			return nil
		}
		return t.add(root, name)
	})
	return t, err
}

// skipped tells whether a directory holds no sources of ours.
func skipped(name string) bool {
	return name != "." && strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "node_modules", "bin", "tmp", "web"}, name)
}

func (t tree) add(root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	f, err := parser.ParseFile(t.set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return fmt.Errorf("parse: %w", err)
	}
	pkg := path.Dir(name)
	t.packages[pkg] = append(t.packages[pkg], source{name: name, test: strings.HasSuffix(name, "_test.go"), ast: f})
	return nil
}

// each returns what check finds, package by package, in order.
func (t tree) each(check func(pkg string, files []source) []string) []string {
	var found []string
	for _, pkg := range slices.Sorted(maps.Keys(t.packages)) {
		found = append(found, check(pkg, t.packages[pkg])...)
	}
	return found
}
