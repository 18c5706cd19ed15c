package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestTree(t *testing.T) {
	t.Parallel()
	whole, err := read(os.DirFS(moduleRoot(t)))
	if err != nil {
		t.Fatal(err)
	}
	if len(whole.packages) < 30 {
		t.Fatalf("found only %d packages", len(whole.packages))
	}
	for name, check := range map[string]func() []string{
		"imports": whole.imports, "form": whole.form, "variables": whole.variables,
		"budgets": func() []string { return judge(whole.budgets(), excused) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range check() {
				t.Error(problem)
			}
		})
	}
}

// moduleRoot returns the directory of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above")
		}
		dir = filepath.Dir(dir)
	}
}

// Each case is one file of a tree, and what must be found in it: nothing, or a
// problem that contains the text.
func TestImportsFound(t *testing.T) {
	t.Parallel()
	const ours = module + "internal/"
	for _, c := range []struct{ file, imp, want string }{
		{"cmd/skylift/main.go", ours + "cli", ""},
		{"cmd/skylift/main.go", ours + "daemon", "cmd/skylift may import cli"},
		{"internal/daemon/build.go", ours + "service/ecs/deploy", ""},
		{"internal/daemon/build.go", ours + "store/storetest", "it is for tests"},
		{"internal/service/ecs/ecstest/world.go", ours + "wire/wiretest", ""},
		{"internal/service/ecs/ecstest/world.go", ours + "daemon", "may import"},
		{"internal/service/ecs/api/task/run.go", ours + "engine", "internal/service/ecs/api may import"},
		{"internal/service/ecs/api/task/run.go", "os/exec", "a handler reads and writes records"},
		{"internal/service/ecs/definition/size.go", ours + "store", "may import nothing of ours"},
		{"internal/service/ecs/run/order/order.go", ours + "reconcile", "may import engine"},
		{"internal/gateway/call.go", ours + "wire", ""},
		{"internal/gateway/call.go", ours + "service/ecs", "internal/gateway may import"},
		{"internal/gateway/call_test.go", ours + "service/sts", ""},
		{"internal/gateway/call_test.go", ours + "daemon", "imports only go down"},

		{"internal/service/ecs/task.go", ours + "store", ""},
		{"internal/service/ecs/task.go", ours + "service/elbv2", "services never import each other"},
		{"internal/service/ecs/run/run.go", ours + "service/elbv2/attach", "services never import each other"},
		{"internal/service/ecs/task_test.go", ours + "service/elbv2", "nor do their tests"},
		{"internal/service/ecs/task_test.go", ours + "engine/fake", ""},
		{"internal/service/ecs/task.go", ours + "engine", "internal/service/* may import"},
		{"internal/service/ecs/task.go", ours + "reconcile", "internal/service/* may import"},
		{"internal/service/ecs/task.go", "os/exec", "a handler reads and writes records"},
		{"internal/service/ecs/run/run.go", ours + "engine", ""},
		{"internal/service/ecs/run/run.go", ours + "service/ecs", ""},
		{"internal/service/ecs/run/run.go", ours + "gateway", "may import"},
		{"internal/service/ecr/records.go", ours + "registry", ""},
		{"internal/service/ecr/records.go", ours + "logstore", "may import"},
		{"internal/service/elbv2/targets/targets.go", "os", "a handler reads and writes records"},
		{"internal/service/elbv2/targets/targets.go", ours + "reconcile", "may import"},
		{"internal/service/elbv2/health/health.go", ours + "edge", ""},
		{"internal/service/logs/logs.go", "os", "a handler reads and writes records"},
		{"internal/service/ecr/sweep/sweep.go", ours + "reconcile", ""},
		{"internal/service/efs/volumes/volumes.go", "os", ""},
		{"internal/service/sqs/queue.go", ours + "service/sns", "services never import each other"},

		{"internal/projection/lb/lb.go", ours + "service/elbv2", ""},
		{"internal/projection/lb/lb.go", ours + "edge", ""},
		{"internal/projection/lb/lb.go", ours + "gateway", "may import"},
		{"internal/projection/lb/lb.go", ours + "reconcile", "may import"},
		{"internal/projection/lb/lb.go", ours + "projection/firewall", "may import"},

		{"internal/edge/edge.go", ours + "edge/http1", ""},
		{"internal/edge/edge.go", ours + "vpc", "internal/edge may import limit"},
		{"internal/edge/edge.go", ours + "store", "may import limit"},
		{"internal/edge/http1/body.go", ours + "awserr", "may import limit"},
		{"internal/vpc/vpc.go", "github.com/aws/aws-sdk-go-v2/service/ec2/types", "only internal/service"},
		{"internal/registry/registry.go", ours + "service/ecr", "may import limit"},
		{"internal/engine/docker/docker.go", "github.com/moby/moby/client", ""},
		{"internal/daemon/build.go", "github.com/moby/moby/client", "only internal/engine/docker may"},
		{"internal/store/etcdstore/db.go", "go.etcd.io/etcd/client/v3", ""},
		{"internal/reconcile/loop.go", "go.etcd.io/etcd/client/v3", "only internal/store/etcdstore may"},
		{"internal/reconcile/loop.go", ours + "service/ecs", "internal/reconcile may import store"},
		{"internal/store/store.go", ours + "wire", "may import nothing of ours"},
		{"internal/wire/service.go", ours + "awserr", ""},
		{"internal/wire/service.go", ours + "store", "internal/wire may import awserr"},
		{"internal/arn/arn.go", ours + "awserr", "may import nothing of ours"},

		{"internal/store/store.go", "testing", "only tests"},
		{"internal/store/storetest/storetest.go", "testing", ""},
		{"internal/store/store_test.go", "testing", ""},
		{"internal/odds/ends.go", "fmt", "stands on no floor"},
		{"internal/services/ecs.go", "fmt", "stands on no floor"},
		{"test/e2e/e2e_test.go", "os/exec", ""},
	} {
		found := parse(t, map[string]string{c.file: "package p\nimport _ \"" + c.imp + "\"\n"}).imports()
		expect(t, c.file+" imports "+c.imp, found, c.want)
	}
}

func TestFormFound(t *testing.T) {
	t.Parallel()
	const doc = "// Package p is promised.\npackage p\n"
	for _, c := range []struct{ name, text, want string }{
		{"as it should be", doc + "func f() {}", ""},
		{"no package comment", "package p", "internal/p has no package comment"},
		{"another's comment", "// Package q is promised.\npackage p", "no package comment"},
		{"a licence is no comment", "// Copyright.\n\npackage p", "no package comment"},
		{"a command", "// Command p does it.\npackage main", ""},
		{"init", doc + "func init() {}", "internal/p/p.go:3: func init"},
		{"a method named init", doc + "type t int\nfunc (t) init() {}", ""},
	} {
		expect(t, c.name, parse(t, map[string]string{"internal/p/p.go": c.text}).form(), c.want)
	}
}

func TestBudgetsFound(t *testing.T) {
	t.Parallel()
	const doc = "// Package p is promised.\npackage p\n"
	const because = "// Package p is promised.\n//\n// It is one package of more than 1,500 lines\n// because its halves share all they have.\npackage p\n"
	const generated = "// Code generated by x. DO NOT EDIT.\n\n"
	lines := func(n int) string { return strings.Repeat("\n", n) }
	function := func(n int) string { return "func f() {" + lines(n-1) + "}\n" }
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"a file that fits", map[string]string{"p.go": doc + lines(fileBudget-2)}, ""},
		{"a file one line longer", map[string]string{"p.go": doc + lines(fileBudget-1)}, "internal/p/p.go has 501 lines, more than 500"},
		{"a test's file", map[string]string{"p_test.go": doc + lines(fileBudget-1)}, "internal/p/p_test.go has 501 lines"},
		{"a generated file", map[string]string{"p.go": generated + doc + lines(2*packageBudget) + function(functionBudget+1)}, ""},
		{"a function that fits", map[string]string{"p.go": doc + function(functionBudget)}, ""},
		{"a function one line longer", map[string]string{"p.go": doc + function(functionBudget+1)}, "internal/p/p.go:3: f has 61 lines, more than 60"},
		{"a method", map[string]string{"p.go": doc + "type t int\nfunc (t) m() {" + lines(functionBudget) + "}\n"}, "p.go:4: m has 61 lines"},
		{"a test's function", map[string]string{"p_test.go": doc + function(functionBudget+1)}, ""},
		{"a package that fits", map[string]string{"a.go": doc + lines(498), "b.go": doc + lines(498), "c.go": doc + lines(498)}, ""},
		{"a package one line longer", map[string]string{"a.go": doc + lines(498), "b.go": doc + lines(498), "c.go": doc + lines(498), "d.go": "package p\n"}, "internal/p has 1501 lines without its tests, more than 1500"},
		{"a package with a reason", map[string]string{"a.go": because + lines(495), "b.go": doc + lines(498), "c.go": doc + lines(498), "d.go": "package p\n"}, ""},
		{"a package with long tests", map[string]string{"a.go": doc + lines(498), "b.go": doc + lines(498), "c.go": doc + lines(498), "d_test.go": "package p\n"}, ""},
	} {
		files := map[string]string{}
		for name, text := range c.files {
			files["internal/p/"+name] = text
		}
		expect(t, c.name, judge(parse(t, files).budgets(), nil), c.want)
	}
	long := parse(t, map[string]string{"internal/p/p.go": doc + function(functionBudget+1)}).budgets()
	expect(t, "excused", judge(long, []string{"internal/p/p.go:f"}), "")
	expect(t, "an excuse that nothing needs", judge(nil, []string{"internal/p/p.go:f"}), "internal/p/p.go:f is within its budget")
}

func TestVariablesFound(t *testing.T) {
	t.Parallel()
	const vars = "package p\nimport (\"errors\"; \"sync\"; \"sync/atomic\")\nvar n int\nvar s struct{ m map[int]int }\nvar m = map[int]int{1: 1}\nvar l = []int{1}\nvar _ = errors.New\nvar pool sync.Pool\n"
	for _, c := range []struct{ text, want string }{
		{"func f() { n = 1 }", "package variable n changes"},
		{"func f() { n++ }", "package variable n changes"},
		{"func f() { n, x := 1, 2; n = x }", ""},
		{"func f(n int) { n = 1; n++ }", ""},
		{"func f() { x := m[1]; x++ }", ""},
		{"func f() { m[1] = 2 }", "package variable m changes"},
		{"func f() { l[0] += 2 }", "package variable l changes"},
		{"func f() { (s).m[1]++ }", "package variable s changes"},
		{"func f() { delete(m, 1) }", "package variable m changes"},
		{"func f() { copy(l[1:], l) }", "package variable l changes"},
		{"func f() { for n = range 2 {} }", "package variable n changes"},
		{"func f() { errors.X = nil }", ""},
		{"var mu sync.Mutex", "package variable mu is a sync.Mutex"},
		{"var count atomic.Int64", "is a atomic.Int64"},
		{"var held atomic.Pointer[int]", "is a atomic.Pointer"},
		{"var c = make(chan int)", "package variable c is a channel"},
		{"var cache = map[string]int{}", "package variable cache is a map"},
		{"var cache map[string]int", "package variable cache is a map"},
		{"var known = map[string]int{\"a\": 1}", ""},
	} {
		expect(t, c.text, parse(t, map[string]string{"internal/p/a.go": vars, "internal/p/b.go": "package p\nimport (\"errors\"; \"sync\"; \"sync/atomic\")\n" + c.text}).variables(), c.want)
	}
}

// Tests may keep what they like, and what is no source of ours isn't read.
func TestNotJudged(t *testing.T) {
	t.Parallel()
	found := parse(t, map[string]string{
		"internal/p/p_test.go":       "package p\nvar n int\nfunc f() { n++ }",
		"internal/p/testdata/bad.go": "no Go",
		".cache/x/bad.go":            "no Go",
	}).variables()
	expect(t, "tests and testdata", found, "")
}

func parse(t *testing.T, files map[string]string) tree {
	t.Helper()
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	got, err := read(root)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// expect wants exactly one problem, which contains the text, or none.
func expect(t *testing.T, name string, found []string, want string) {
	t.Helper()
	if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || !slices.ContainsFunc(found, func(s string) bool { return strings.Contains(s, want) })) {
		t.Errorf("%s: found %q, want %q", name, found, want)
	}
}
