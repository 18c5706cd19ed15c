// Package atomicfile replaces files whole or not at all.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
)

// Write makes content what is in the file at path, which only its owner may read (mode 0600). It returns once
// content, with its name, is on stable storage. After an error or a crash the file is what it was.
func Write(path string, content []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // nothing is there any more once it has its name
	_, err = f.Write(content)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return Sync(dir)
}

// Sync brings a file or a directory to stable storage.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
