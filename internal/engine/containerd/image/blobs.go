package image

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sys/unix"
)

// blobs are the files of containerd's store of content. Each is called by its
// digest. When containerd is about to fetch a blob whose file is there, it takes
// the file instead.
type blobs struct{ dir string }

// tempPrefix begins the names of directories that files are put in place from.
const tempPrefix = "skylift-"

// findBlobs asks containerd where its store of content is. Old temporary files
// that a kill left there are removed.
func findBlobs(ctx context.Context, client *containerd.Client) (blobs, error) {
	answer, err := client.IntrospectionService().Plugins(ctx, "type==io.containerd.content.v1")
	if err != nil {
		return blobs{}, fmt.Errorf("find containerd's store of content: %w", err)
	}
	content := ""
	for _, p := range answer.Plugins {
		content = cmp.Or(content, p.Exports["root"])
	}
	content = cmp.Or(content, os.DevNull)                            // it is elsewhere: nothing is found here
	left, _ := filepath.Glob(filepath.Join(content, tempPrefix+"*")) // the pattern is well formed
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(dir) // the next start tries again
		}
	}
	return blobs{filepath.Join(content, "blobs")}, nil
}

// errCorrupt says that bytes don't have the digest that they are called by.
var errCorrupt = errors.New("its bytes do not have its digest: the file is corrupt")

func (b blobs) path(d digest.Digest) string {
	return filepath.Join(b.dir, d.Algorithm().String(), d.Encoded())
}

// has reports whether a blob's file is there and has the right size.
func (b blobs) has(desc ocispec.Descriptor) bool {
	info, err := os.Stat(b.path(desc.Digest))
	return err == nil && info.Size() == desc.Size
}

// sound reports whether a blob's file is there, and has its digest.
func (b blobs) sound(ctx context.Context, desc ocispec.Descriptor, progress func()) bool {
	if !b.has(desc) {
		return false
	}
	file, err := os.Open(b.path(desc.Digest))
	if err != nil {
		return false
	}
	defer file.Close()
	return verify(ctx, file, desc, progress) == nil
}

// place makes a blob of the file that open opens: the blob shares the file's
// blocks if the file system can do that, else it is a second name of the file.
// The file is verified first. A corrupt blob is replaced. Errors: errCorrupt,
// errors.ErrUnsupported where the file would have to be copied, open's.
func (b blobs) place(ctx context.Context, desc ocispec.Descriptor, open func(context.Context) (*os.File, error), progress func()) error {
	dir := filepath.Dir(b.path(desc.Digest))
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	if b.sound(ctx, desc, progress) {
		return nil
	}
	file, err := open(ctx)
	if err != nil {
		return err
	}
	defer file.Close()
	// A directory beside, so that what a kill leaves isn't taken for a blob.
	temp, err := os.MkdirTemp(filepath.Dir(b.dir), tempPrefix)
	if err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	defer os.RemoveAll(temp)
	name := filepath.Join(temp, "blob")
	if err := share(file, name); err != nil {
		return fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
	}
	if err := verify(ctx, file, desc, progress); err != nil {
		return err
	}
	return os.Rename(name, b.path(desc.Digest))
}

// share makes a file with the bytes of another one, without copying them.
func share(file *os.File, name string) error {
	if err := clone(file, name); err == nil {
		return nil
	}
	self := "/proc/self/fd/" + strconv.Itoa(int(file.Fd()))
	if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return &os.LinkError{Op: "link", Old: file.Name(), New: name, Err: err}
	}
	return nil
}

// clone makes a file of another one's blocks.
func clone(file *os.File, name string) error {
	to, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
	if err != nil {
		return err
	}
	err = unix.IoctlFileClone(int(to.Fd()), int(file.Fd()))
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// verify reads a file and compares it with a descriptor.
func verify(ctx context.Context, file *os.File, desc ocispec.Descriptor, progress func()) error {
	hash := desc.Digest.Algorithm().Hash()
	buf := make([]byte, 1<<20)
	size := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := file.ReadAt(buf, size)
		_, _ = hash.Write(buf[:n]) // never fails
		size += int64(n)
		progress()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("read %s: %w: %w", desc.Digest, errCorrupt, err)
		}
	}
	if size != desc.Size || digest.NewDigest(desc.Digest.Algorithm(), hash) != desc.Digest {
		return fmt.Errorf("%s: %w", desc.Digest, errCorrupt)
	}
	return nil
}
