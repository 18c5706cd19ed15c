package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// services is where the packages of services are. One is named as the directory of
// its model is.
const services = "internal/service"

// sdk is what the import path of the SDK's module of a service begins with.
const sdk = "github.com/aws/aws-sdk-go-v2/service/"

// wanted is what is to be described of one service.
type wanted struct {
	Model      string   `json:"model"`      // directory of its model, and of our package
	Module     string   `json:"module"`     // the SDK's module for it, without its path
	Operations []string `json:"operations"` // in order
}

// declared finds the services of ours and, in each, the operations that it declares:
// the calls of wire.Op and wire.OpEvents in its package and in those below it.
func declared(repo string) ([]wanted, error) {
	dirs, err := os.ReadDir(filepath.Join(repo, services))
	if err != nil {
		return nil, err
	}
	var all []wanted
	for _, dir := range dirs {
		w, err := declaredIn(filepath.Join(repo, services, dir.Name()))
		if err != nil {
			return nil, fmt.Errorf("%s/%s: %w", services, dir.Name(), err)
		}
		if w.Model = dir.Name(); len(w.Operations) > 0 {
			all = append(all, w)
		}
	}
	return all, nil
}

// declaredIn reads the packages at and below dir.
func declaredIn(dir string) (w wanted, err error) {
	var declaring, others []string // modules that files import which declare operations, and those that others do
	err = filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "testdata" {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return err
		}
		if found := operations(file); len(found) > 0 {
			w.Operations = append(w.Operations, found...)
			declaring = append(declaring, modules(file)...)
		} else {
			others = append(others, modules(file)...)
		}
		return nil
	})
	if err != nil || len(w.Operations) == 0 {
		return w, err
	}
	slices.Sort(w.Operations)
	w.Module, err = only(declaring, others)
	return w, err
}

// only returns the SDK's module of a service: the one that the files with its declarations import, or, if they
// import none, the one that its other files do.
func only(declaring, others []string) (string, error) {
	of := declaring
	if len(of) == 0 {
		of = others
	}
	slices.Sort(of)
	switch of = slices.Compact(of); len(of) {
	case 0:
		return "", errors.New("declares operations and imports no module of the SDK")
	case 1:
		return of[0], nil
	}
	return "", fmt.Errorf("declares operations and imports several modules of the SDK: %s", strings.Join(of, ", "))
}

// modules returns the SDK's modules of services that a file imports.
func modules(file *ast.File) (all []string) {
	for _, i := range file.Imports {
		if module, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), sdk); ok && path.Base(module) == module {
			all = append(all, module)
		}
	}
	return all
}

// operations returns those that a file declares.
func operations(file *ast.File) (all []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if name := operation(n); name != "" {
			all = append(all, name)
		}
		return true
	})
	return all
}

// operation is the name in wire.Op("CreateService", …); "" for anything else.
func operation(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	op, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || op.Sel.Name != "Op" && op.Sel.Name != "OpEvents" {
		return ""
	}
	if x, ok := op.X.(*ast.Ident); !ok || x.Name != "wire" {
		return ""
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return ""
	}
	name, _ := strconv.Unquote(lit.Value) // it was parsed
	return name
}
