package vulndb

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skylift/skylift/internal/service/ecr/scan/osv"
)

// What is read of a path, in bytes.
const (
	mostMemory = 1 << 30  // of the database that it becomes
	mostRecord = 64 << 20 // of one record in an archive
	mostFile   = 2 << 30  // of a file of records
)

// reader reads records into a builder.
type reader struct {
	stop func() error // why reading is to end
	into *osv.Builder
}

// load reads all records of a path: a file, or a directory of files.
func load(stop func() error, path string) (*osv.Database, error) {
	r := &reader{stop, osv.NewBuilder(mostMemory)}
	err := each(path, func(name string, _ fs.FileInfo) error { return r.file(name) })
	if err != nil {
		return nil, err
	}
	db := r.into.Done()
	if db.Records == 0 {
		return nil, fmt.Errorf("%s has no record about Debian, Ubuntu, Alpine or Go", path)
	}
	return db, nil
}

// each calls f with every file of records of a path, in order.
func each(path string, f func(name string, info fs.FileInfo) error) error {
	return filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Stat(name) // it may be a link
		if err != nil {
			return err
		}
		ext := strings.ToLower(filepath.Ext(name))
		if !info.Mode().IsRegular() || name != path && ext != ".json" && ext != ".zip" {
			return nil
		}
		return f(name, info)
	})
}

// printOf tells the files of a path from what they were: another print, other files.
func printOf(path string) (string, error) {
	sum := sha256.New()
	err := each(path, func(name string, info fs.FileInfo) error {
		fmt.Fprintf(sum, "%q %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	return hex.EncodeToString(sum.Sum(nil)[:8]), err
}

// file reads a file, which is an archive or has records.
func (r *reader) file(name string) error {
	if err := r.stop(); err != nil {
		return err
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head := make([]byte, 4)
	n, _ := io.ReadFull(f, head)
	if bytes.HasPrefix(head[:n], []byte("PK")) {
		archive, err := zip.NewReader(f, info.Size())
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return r.archive(name, archive)
	}
	if info.Size() > mostFile {
		return fmt.Errorf("%s is larger than %d MiB: give the archive of it", name, mostFile>>20)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return r.records(name, f)
}

// archive reads an export, which has a file a record.
func (r *reader) archive(name string, z *zip.Reader) error {
	var buf bytes.Buffer
	for _, entry := range z.File {
		if err := r.stop(); err != nil {
			return err
		}
		if !strings.HasSuffix(entry.Name, ".json") {
			continue
		}
		where := name + ": " + entry.Name
		if entry.UncompressedSize64 > mostRecord {
			return fmt.Errorf("%s is larger than %d MiB", where, mostRecord>>20)
		}
		f, err := entry.Open()
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		buf.Reset()
		_, err = buf.ReadFrom(io.LimitReader(f, mostRecord))
		_ = f.Close() // it was read
		if err == nil {
			err = r.into.Add(buf.Bytes())
		}
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// records reads one record or several: one after the other, in a list, or in the list of an answer of OSV's API.
func (r *reader) records(name string, in io.Reader) error {
	b := bufio.NewReader(in)
	d := json.NewDecoder(b)
	if inList(b) {
		if _, err := d.Token(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for d.More() {
			if err := r.next(d); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if _, err := d.Token(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for {
		if err := r.next(d); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// inList tells whether what is to be read is a list.
func inList(b *bufio.Reader) bool {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return false
		}
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return b.UnreadByte() == nil && c == '['
		}
	}
}

// next reads a record, or an answer.
func (r *reader) next(d *json.Decoder) error {
	if err := r.stop(); err != nil {
		return err
	}
	var text json.RawMessage
	if err := d.Decode(&text); err != nil {
		return err
	}
	err := r.into.Add(text)
	if !errors.Is(err, osv.ErrNoID) {
		return err
	}
	var answer struct{ Vulns []json.RawMessage }
	if err := json.Unmarshal(text, &answer); err != nil {
		return err
	}
	for _, one := range answer.Vulns {
		if err := r.into.Add(one); err != nil {
			return err
		}
	}
	if answer.Vulns == nil {
		return err
	}
	return nil
}
