package vulndb

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/service/ecr/scan/inventory"
	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
)

// record is one about a package of Go, which version 1.0.0 of it has.
func record(id, name string) string {
	return fmt.Sprintf(`{"id":%q,"modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":"Go","name":%q},"versions":["1.0.0"]}]}`, id, name)
}

func archive(t *testing.T, files map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// found are the names of what package x has, in order.
func found(db *osv.Database) string {
	var names []string
	for _, f := range db.Find(inventory.Inventory{Packages: []inventory.Package{{Kind: inventory.Go, Name: "x", Version: "1.0.0"}}}).Findings {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

func never() error { return nil }

func TestForms(t *testing.T) {
	t.Parallel()
	a, b := record("CVE-1", "x"), record("CVE-2", "x")
	for name, files := range map[string]map[string]string{
		"records.json":   {"records.json": a + b},
		"lines.json":     {"lines.json": a + "\n" + b + "\n"},
		"list.json":      {"list.json": " \n[" + a + "," + b + "]"},
		"answer.json":    {"answer.json": `{"vulns":[` + a + "," + b + "]}"},
		"export.zip":     {"export.zip": archive(t, map[string]string{"CVE-1.json": a, "CVE-2.json": b, "README": "x"})},
		"export":         {"export": archive(t, map[string]string{"CVE-1.json": a, "CVE-2.json": b})},
		"mixed":          {"mixed/go/CVE-1.json": a, "mixed/b.zip": archive(t, map[string]string{"CVE-2.json": b}), "mixed/README.md": "x"},
		"mixed/../again": {"again/CVE-1.json": a, "again/CVE-2.JSON": b},
	} {
		dir := t.TempDir()
		for path, text := range files {
			write(t, filepath.Join(dir, path), text)
		}
		db, err := load(never, filepath.Join(dir, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := found(db); got != "CVE-1 CVE-2" || db.Records != 2 {
			t.Errorf("%s: %d records, %s", name, db.Records, got)
		}
	}
}

func TestNoForms(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"cut.json":    {record("CVE-1", "x")[:50], "cut.json: unexpected EOF"},
		"list.json":   {"[" + record("CVE-1", "x"), "list.json: "},
		"other.json":  {`{"a":1}`, "other.json: it has no id"},
		"none.json":   {`{"id":"PYSEC-1"}`, "no record about Debian, Ubuntu, Alpine or Go"},
		"empty.json":  {"", "no record about"},
		"cut.zip":     {archive(t, map[string]string{"CVE-1.json": record("CVE-1", "x")})[:60], "cut.zip: zip: "},
		"in.zip":      {archive(t, map[string]string{"CVE-1.json": "{"}), "in.zip: CVE-1.json: unexpected end of JSON input"},
		"a.directory": {"", "no record about"},
	} {
		path := filepath.Join(t.TempDir(), name)
		write(t, path, tt.text)
		if _, err := load(never, path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if _, err := load(never, missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path of nothing: %v", err)
	}
	if err := Check(missing); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path of nothing may hold one: %v", err)
	}
	if err := errors.Join(Check(""), Check(t.TempDir())); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "x.json")
	write(t, path, record("CVE-1", "x"))
	stop := errors.New("stop")
	if _, err := load(func() error { return stop }, path); !errors.Is(err, stop) {
		t.Errorf("told to stop: %v", err)
	}
}

// TestChanges: who waits for the first one gets it, another file is read, one that can't be read changes nothing, and is said.
func TestChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		path := filepath.Join(t.TempDir(), "go.json")
		d := New(path, slog.New(slog.DiscardHandler))
		changes := 0
		go func() { _ = d.Changes(ctx, func() error { changes++; return nil }) }()
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, _, err := d.Current(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("before it is read: %v", err)
		}
		go func() { _ = d.Run(ctx) }()
		step := func(text, want, problem string) (mark string) {
			t.Helper()
			if text != "" {
				write(t, path, text)
			}
			time.Sleep(look + time.Second)
			synctest.Wait()
			db, mark, err := d.Current(ctx)
			got := ""
			if err == nil {
				got = found(db)
			}
			if got != want || !strings.Contains(d.Problem(), problem) || problem == "" && d.Problem() != "" {
				t.Errorf("%s: %s, %v, problem %q, want %s, %q", text, got, err, d.Problem(), want, problem)
			}
			return mark
		}
		step("", "", "no image can be scanned")
		first := step(record("CVE-1", "x"), "CVE-1", "")
		if again := step("", "CVE-1", ""); again != first {
			t.Errorf("the same file has the marks %s and %s", first, again)
		}
		second := step(record("CVE-22", "x"), "CVE-22", "")
		if second == first {
			t.Error("another file has the same mark")
		}
		if third := step("{", "CVE-22", "the one that was read before"); third != second {
			t.Error("a file that can't be read changed the mark")
		}
		step(record("CVE-333", "x"), "CVE-333", "")
		if changes != 4 {
			t.Errorf("told of %d changes, want 4: of none, and of three databases", changes)
		}
	})
}

func TestNone(t *testing.T) {
	t.Parallel()
	d := New("", slog.New(slog.DiscardHandler))
	if _, _, err := d.Current(t.Context()); !errors.Is(err, ErrNone) || d.Given() || d.Problem() != "" {
		t.Errorf("%v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := d.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it runs: %v", err)
	}
}
