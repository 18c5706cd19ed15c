// Package diskuse measures what directories take on disk.
package diskuse

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Of returns what the files below dir take on disk, each once. What goes
// away meanwhile counts or doesn't.
func Of(ctx context.Context, dir string) (bytes int64, err error) {
	type file struct{ device, inode uint64 }
	linked := map[file]bool{}
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t) // what Linux gives
		if s.Nlink > 1 && !d.IsDir() {
			f := file{s.Dev, s.Ino}
			if linked[f] {
				return nil
			}
			linked[f] = true
		}
		bytes += s.Blocks * 512
		return nil
	})
	return bytes, err
}
