package volumes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// flush puts the entries of a directory of root on disk.
func flush(root *os.Root, name string) error {
	f, err := root.Open(name)
	if err != nil {
		return fmt.Errorf("flush directory: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

func flushDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("flush directory: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// inode is what hard links to a file have in common.
type inode struct{ dev, ino uint64 }

// block is the unit that the kernel counts room in.
const block = 512

// usage returns the room that all in dir takes. Files may come and go
// meanwhile.
func usage(ctx context.Context, dir string) (bytes int64, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	linked := map[inode]bool{}
	err = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		var info fs.FileInfo
		if err == nil {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) && path != "." {
			return nil
		}
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			bytes += info.Size()
			return nil
		}
		if !d.IsDir() && st.Nlink > 1 {
			n := inode{uint64(st.Dev), st.Ino} //nolint:unconvert // not 64 bits everywhere
			if linked[n] {
				return nil
			}
			linked[n] = true
		}
		bytes += st.Blocks * block
		return nil
	})
	return bytes, err
}
