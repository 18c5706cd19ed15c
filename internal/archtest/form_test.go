package archtest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// form finds packages without a promise, and what happens before main.
func (t tree) form() []string {
	return t.each(func(pkg string, files []source) []string {
		var found []string
		if !slices.ContainsFunc(files, documented) {
			found = append(found, pkg+" has no package comment")
		}
		for _, src := range files {
			for _, d := range src.ast.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
					found = append(found, t.at(f)+": func init: daemon does the wiring")
				}
			}
		}
		return found
	})
}

// documented tells whether a file carries its package's comment.
func documented(src source) bool {
	name := strings.TrimSuffix(src.ast.Name.Name, "_test")
	return strings.HasPrefix(src.ast.Doc.Text(), "Package "+name+" ") || name == "main" && src.ast.Doc.Text() != ""
}

// variables finds package variables that change, or are made to.
func (t tree) variables() []string {
	return t.each(func(_ string, files []source) []string {
		var asts []*ast.File
		for _, src := range files {
			if !src.test {
				asts = append(asts, src.ast)
			}
		}
		m := newMutations(t, asts)
		for _, f := range asts {
			for _, d := range f.Decls {
				m.declared(d)
			}
			ast.Inspect(f, m.visit)
		}
		return m.found
	})
}

func (t tree) at(n ast.Node) string {
	p := t.set.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// mutations collects the places where one package's variables change.
type mutations struct {
	tree  tree
	uses  map[*ast.Ident]types.Object
	scope *types.Scope
	found []string
}

// newMutations resolves the names in a package. What is imported stays unknown,
// which is enough to tell a package's variables from those of a function.
func newMutations(t tree, files []*ast.File) *mutations {
	m := &mutations{tree: t, uses: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := conf.Check("p", t.set, files, &types.Info{Uses: m.uses}) // its errors are the imports
	m.scope = pkg.Scope()
	return m
}

type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not imported") }

// visit notes a statement that changes a package variable.
func (m *mutations) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		if n.Tok != token.DEFINE {
			m.changed(n.Lhs...)
		}
	case *ast.IncDecStmt:
		m.changed(n.X)
	case *ast.RangeStmt:
		if n.Tok == token.ASSIGN {
			m.changed(n.Key, n.Value)
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, f.Name) {
			m.changed(n.Args[0])
		}
	}
	return true
}

// changed notes those expressions that lead to a package variable.
func (m *mutations) changed(targets ...ast.Expr) {
	for _, e := range targets {
		id := root(e)
		if id == nil {
			continue
		}
		if v, ok := m.uses[id].(*types.Var); ok && v.Parent() == m.scope {
			m.found = append(m.found, fmt.Sprintf("%s: package variable %s changes", m.tree.at(e), id.Name))
		}
	}
}

// root returns the variable that an expression begins with.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// declared notes a package variable of a type that is only there to change.
func (m *mutations) declared(d ast.Decl) {
	g, ok := d.(*ast.GenDecl)
	if !ok || g.Tok != token.VAR {
		return
	}
	for _, spec := range g.Specs {
		v := spec.(*ast.ValueSpec)
		if kind := stateful(v); kind != "" {
			m.found = append(m.found, fmt.Sprintf("%s: package variable %s is a %s", m.tree.at(v), v.Names[0].Name, kind))
		}
	}
}

// stateful names the kind of a variable that holds state: a lock, an atomic, a
// channel, a map that begins empty. A sync.Pool holds none that matters.
func stateful(v *ast.ValueSpec) string {
	if kind := statefulType(v.Type); kind != "" {
		return kind
	}
	for _, e := range v.Values {
		switch e := e.(type) {
		case *ast.CallExpr:
			if f, ok := e.Fun.(*ast.Ident); ok && f.Name == "make" {
				return statefulType(e.Args[0])
			}
		case *ast.CompositeLit:
			if len(e.Elts) == 0 {
				return statefulType(e.Type)
			}
		}
	}
	return ""
}

func statefulType(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ChanType:
		return "channel"
	case *ast.MapType:
		return "map"
	case *ast.StarExpr:
		return statefulType(e.X)
	case *ast.IndexExpr:
		return statefulType(e.X)
	case *ast.SelectorExpr:
		pkg, _ := e.X.(*ast.Ident)
		if pkg != nil && (pkg.Name == "atomic" || pkg.Name == "sync" && e.Sel.Name != "Pool") {
			return pkg.Name + "." + e.Sel.Name
		}
	}
	return ""
}
