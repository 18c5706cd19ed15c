package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// TestFilesAreWhatTheModelsSay makes every file again and compares.
func TestFilesAreWhatTheModelsSay(t *testing.T) {
	t.Parallel()
	const repo = "../../.."
	models := filepath.Join(repo, "..", "shared", "aws-models")
	if _, err := os.Stat(models); err != nil {
		t.Skipf("AWS's API models are not beside the repository: %v", err)
	}
	iam := filepath.Join(repo, "..", "shared", "aws-iam", "services")
	if _, err := os.Stat(iam); err != nil {
		t.Skipf("AWS's authorization reference is not beside the repository: %v", err)
	}
	files, _, err := all(repo, models, iam)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 9 {
		t.Errorf("only %d files are made", len(files))
	}
	for name, made := range files {
		committed, err := os.ReadFile(filepath.Join(repo, name))
		if err != nil || !bytes.Equal(made, committed) {
			t.Errorf("%s is not what the declarations and the models say (%v): run make generate", name, err)
		}
	}
}

// TestDeclaredOperationsAreFound reads a service of two packages, and one of one.
func TestDeclaredOperationsAreFound(t *testing.T) {
	t.Parallel()
	repo := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		file := filepath.Join(repo, services, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const imports = `import ("github.com/aws/aws-sdk-go-v2/service/teapots"; "github.com/aws/aws-sdk-go-v2/service/teapots/types")`
	write("tea/tea.go", "package tea\n"+imports+"\nvar ops = []any{wire.Op(\"Pour\", a.Pour).Takes(\"x\"), wire.Op(\"Brew\", a.Brew), other.Op(\"No\", 1)}")
	write("tea/tea_test.go", "package tea\nvar no = wire.Op(\"Test\", nil)")
	write("tea/testdata/no.go", "package testdata\nvar no = wire.Op(\"Data\", nil)")
	write("tea/api/pots/pots.go", "package pots\nvar ops = wire.Op(\"Heat\", nil)")
	write("tea/api/pots/pots_test.go", "package pots\nvar no = wire.Op(\"Test\", nil)")
	write("tea/loop/loop.go", "package loop\nimport \"github.com/aws/aws-sdk-go-v2/service/coffee\"")
	write("cups/cups.go", "package cups")
	got, err := declared(repo)
	want := []wanted{{Model: "tea", Module: "teapots", Operations: []string{"Brew", "Heat", "Pour"}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	write("cups/cups.go", "package cups\nvar ops = wire.Op(\"Fill\", nil)")
	if _, err := declared(repo); err == nil {
		t.Error("a service without a module of the SDK is taken")
	}
	write("cups/wash/wash.go", "package wash\nimport \"github.com/aws/aws-sdk-go-v2/service/cups\"")
	want = slices.Insert(want, 0, wanted{Model: "cups", Module: "cups", Operations: []string{"Fill"}})
	if got, err := declared(repo); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	write("cups/dry/dry.go", "package dry\nimport \"github.com/aws/aws-sdk-go-v2/service/towels\"")
	if _, err := declared(repo); err == nil {
		t.Error("a service with two modules of the SDK is taken")
	}
}

func TestWithoutModelsTheErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	err := run("../../..", filepath.Join(t.TempDir(), "gone"), "")
	if err == nil || !strings.Contains(err.Error(), "-models") {
		t.Errorf("got %v, want an error that names -models", err)
	}
}

func TestAnOperationThatAWSDoesNotHaveIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model := `{"metadata":{"endpointPrefix":"tea","protocol":"json","jsonVersion":"1.1"},"operations":{"Pour":{}},"shapes":{}}`
	if err := os.MkdirAll(filepath.Join(dir, "tea"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "tea", "service-2.json"), []byte(model), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := generate(dir, "", wanted{Model: "tea", Operations: []string{"Drink"}}); err == nil {
		t.Error("an operation that the model lacks is described")
	}
	if name, _, _, err := generate(dir, "", wanted{Model: "tea", Operations: []string{"Pour"}}); err != nil || name != "tea" {
		t.Errorf("signed for %q, %v", name, err)
	}
}
