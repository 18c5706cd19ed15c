package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
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
// the calls of wire.Op.
func declared(repo string) ([]wanted, error) {
	dirs, err := os.ReadDir(filepath.Join(repo, services))
	if err != nil {
		return nil, err
	}
	var all []wanted
	for _, dir := range dirs {
		w, err := declaredIn(filepath.Join(repo, services, dir.Name()))
		if err != nil {
			return nil, err
		}
		if w.Model = dir.Name(); len(w.Operations) == 0 {
			continue
		}
		if w.Module == "" {
			return nil, fmt.Errorf("%s/%s declares operations and imports no module of the SDK", services, w.Model)
		}
		slices.Sort(w.Operations)
		all = append(all, w)
	}
	return all, nil
}

func declaredIn(dir string) (w wanted, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return w, err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return w, err
		}
		for _, i := range file.Imports {
			if module, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), sdk); ok && path.Base(module) == module {
				w.Module = module
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if name := operation(n); name != "" {
				w.Operations = append(w.Operations, name)
			}
			return true
		})
	}
	return w, nil
}

// operation is the name in wire.Op("CreateService", …); "" for anything else.
func operation(n ast.Node) string {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return ""
	}
	op, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || op.Sel.Name != "Op" {
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
