package lb

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	edge "github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/service/acm"
)

var update = flag.Bool("update", false, "rewrite the tables in testdata")

// TestBuild makes the table of each case from its input.json and compares it
// with its table.json.
func TestBuild(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range cases {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := build(t, file(a, "input.json"))
			if *update {
				write(t, path, a, got)
				return
			}
			if diff := cmp.Diff(string(file(a, "table.json")), string(got)); diff != "" {
				t.Errorf("table (-want +got), -update rewrites it:\n%s", diff)
			}
		})
	}
}

func build(t *testing.T, input []byte) []byte {
	t.Helper()
	var in Input
	d := json.NewDecoder(bytes.NewReader(input))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		t.Fatal(err)
	}
	in.Open = func(c acm.Certificate) (*edge.Certificate, error) {
		if len(c.Sealed) == 0 {
			return nil, errors.New("it doesn't open")
		}
		return &edge.Certificate{ID: c.ARN}, nil
	}
	got := marshalled(t, in)
	slices.Reverse(in.Rules)
	slices.Reverse(in.Interfaces)
	again := marshalled(t, in)
	if diff := cmp.Diff(string(got), string(again)); diff != "" {
		t.Errorf("the order of the records changes the table:\n%s", diff)
	}
	return append(got, '\n')
}

// marshalled is the table of in. A certificate that doesn't open is said.
func marshalled(t *testing.T, in Input) []byte {
	t.Helper()
	shut := slices.ContainsFunc(in.Certificates, func(c acm.Certificate) bool { return len(c.Sealed) == 0 })
	table, err := Build(in)
	if (err != nil) != shut {
		t.Fatalf("built with %v", err)
	}
	out, err := json.MarshalIndent(table, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func file(a *txtar.Archive, name string) []byte {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

func write(t *testing.T, path string, a *txtar.Archive, table []byte) {
	t.Helper()
	a.Files = slices.DeleteFunc(a.Files, func(f txtar.File) bool { return f.Name == "table.json" })
	a.Files = append(a.Files, txtar.File{Name: "table.json", Data: table})
	if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
		t.Fatal(err)
	}
}
