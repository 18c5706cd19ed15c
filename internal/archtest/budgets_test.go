package archtest

import (
	"cmp"
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
)

// What fits a reader's head, in lines with comments. What a tool wrote has no
// budget. Tests have none for packages, which grow with their cases, nor for
// functions, which are tables of them.
const (
	packageBudget  = 1500
	fileBudget     = 500
	functionBudget = 60
)

// reason begins the sentence of a package comment that says why a package is
// over its budget.
const reason = "It is one package of more than 1,500 lines because "

// excused are packages, files and functions that were over their budget when
// there came to be budgets. Nothing is added, and what fits goes.
var excused = []string{
	"internal/engine/enginetest/programs.go:testSettingsSeen",
	"internal/engine/program/init.go:initAMD64", // a listing of machine code
	"internal/engine/program/init.go:initARM64",
}

// An excess is what is over its budget.
type excess struct {
	what    string // a package, a file, or a function as file:Name
	problem string
}

// budgets returns what is over its budget.
func (t tree) budgets() []excess {
	var over []excess
	for _, pkg := range slices.Sorted(maps.Keys(t.packages)) {
		over = append(over, t.overBudget(pkg, t.packages[pkg])...)
	}
	return over
}

func (t tree) overBudget(pkg string, files []source) (over []excess) {
	total, explained := 0, false
	for _, src := range files {
		if ast.IsGenerated(src.ast) {
			continue
		}
		n := t.lines(src)
		if n > fileBudget {
			over = append(over, excess{src.name, fmt.Sprintf("%s has %d lines, more than %d: cut it by subject", src.name, n, fileBudget)})
		}
		if src.test {
			continue
		}
		total += n
		explained = explained || strings.Contains(strings.Join(strings.Fields(src.ast.Doc.Text()), " ")+" ", reason)
		over = append(over, t.longFunctions(src)...)
	}
	if total > packageBudget && !explained {
		over = append(over, excess{pkg, fmt.Sprintf("%s has %d lines without its tests, more than %d: cut it where few names cross, or say in its package comment %q", pkg, total, packageBudget, reason+"…")})
	}
	return over
}

func (t tree) lines(src source) int { return t.set.File(src.ast.FileStart).LineCount() }

// longFunctions returns the functions of a file that are over their budget, from
// func to the closing brace.
func (t tree) longFunctions(src source) (over []excess) {
	for _, d := range src.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		if n := t.set.Position(f.End()).Line - t.set.Position(f.Pos()).Line + 1; n > functionBudget {
			over = append(over, excess{
				src.name + ":" + f.Name.Name,
				fmt.Sprintf("%s: %s has %d lines, more than %d: a function fits a screen", t.at(f), f.Name.Name, n, functionBudget),
			})
		}
	}
	return over
}

// judge returns the problems of what is over its budget and not excused, and
// those excuses that nothing needs.
func judge(over []excess, excused []string) []string {
	var problems []string
	needed := map[string]bool{}
	for _, e := range over {
		needed[e.what] = true
		if !slices.Contains(excused, e.what) {
			problems = append(problems, e.problem)
		}
	}
	for _, what := range excused {
		if !needed[what] {
			problems = append(problems, what+" is within its budget: take it off the list excused in "+path.Join("internal/archtest", "budgets_test.go"))
		}
	}
	slices.SortFunc(problems, cmp.Compare)
	return problems
}
