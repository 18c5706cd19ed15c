package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDescriptorsAreWhatTheModelsSay makes every descriptor again and compares.
func TestDescriptorsAreWhatTheModelsSay(t *testing.T) {
	t.Parallel()
	const repo = "../../.."
	models := filepath.Join(repo, "..", "shared", "aws-models")
	if _, err := os.Stat(models); err != nil {
		t.Skipf("AWS's API models are not beside the repository: %v", err)
	}
	for _, place := range descriptors {
		same(t, models, filepath.Join(repo, place))
	}
}

func same(t *testing.T, models, dir string) {
	t.Helper()
	list, err := operations(dir)
	if err != nil {
		t.Fatal(err)
	}
	for signingName, want := range list {
		made, _, err := generate(models, signingName, want)
		if err != nil {
			t.Fatalf("%s: %v", signingName, err)
		}
		committed, err := os.ReadFile(filepath.Join(dir, signingName+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made, committed) {
			t.Errorf("%s.json is not what the model says: run go generate ./internal/wire/descriptor", signingName)
		}
	}
}

func TestWithoutModelsTheErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	err := run("../../..", filepath.Join(t.TempDir(), "gone"))
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
	if _, _, err := generate(dir, "tea", wanted{"tea", []string{"Drink"}}); err == nil {
		t.Error("an operation that the model lacks is described")
	}
	if _, _, err := generate(dir, "coffee", wanted{"tea", []string{"Pour"}}); err == nil {
		t.Error("a model of another service is taken")
	}
	if _, _, err := generate(dir, "tea", wanted{"tea", []string{"Pour"}}); err != nil {
		t.Error(err)
	}
}
