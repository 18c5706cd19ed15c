// Package parts takes in layers part by part, as the ECR API sends them.
//
// A part is on stable storage when it is acknowledged, and an upload outlives a restart.
package parts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/registry/durable"
)

// The bounds of a layer and its parts
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html).
const (
	MinPart  = 5 << 20 // but for the last one
	MaxPart  = 10 << 20
	MaxParts = 4200
	MaxLayer = 52000 << 20
)

// Why a part or a layer isn't taken.
var (
	ErrUnknown  = errors.New("there is no such upload")
	ErrEmpty    = errors.New("the upload has no bytes")
	ErrSmall    = errors.New("a part before the last one is too small")
	ErrMany     = errors.New("the upload has too many parts, or bytes")
	ErrDigest   = errors.New("the layer has another digest")
	ErrExists   = errors.New("the repository has the layer")
	ErrDiskFull = errors.New("no space left on the registry's disk")
)

// GapError says that a part doesn't begin where the ones before it end.
type GapError struct{ Received int64 }

func (e *GapError) Error() string { return fmt.Sprintf("%d bytes were received", e.Received) }

// Uploads are the layers that come in.
type Uploads struct {
	store distribution.Namespace
	root  string // holds repositories/
	seed  maphash.Seed
	locks [64]sync.Mutex // an upload has one of them
}

// New returns the uploads to the repositories of a store, whose files are below root.
func New(store distribution.Namespace, root string) *Uploads {
	return &Uploads{store: store, root: root, seed: maphash.MakeSeed()}
}

// Start begins an upload to a repository.
func (u *Uploads) Start(ctx context.Context, repo string) (id string, err error) {
	err = u.do(ctx, repo, func(ctx context.Context, blobs distribution.BlobStore) error {
		w, err := blobs.Create(ctx)
		if err != nil {
			return err
		}
		id = w.ID()
		return w.Close()
	})
	return id, err
}

// Append adds a part, which begins at first.
func (u *Uploads) Append(ctx context.Context, repo, id string, first int64, part []byte) error {
	defer u.lock(id)()
	err := u.resume(ctx, repo, id, func(ctx context.Context, _ distribution.BlobStore, w distribution.BlobWriter) error {
		if first != w.Size() {
			return &GapError{w.Size()}
		}
		n := u.note(repo, id).at(first)
		if n.Parts >= MaxParts || w.Size()+int64(len(part)) > MaxLayer {
			return ErrMany
		}
		if err := u.keep(repo, id, n.with(len(part), first+int64(len(part)))); err != nil { // a part without a note would not be counted
			return err
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
		return w.Close()
	})
	if errors.Is(err, ErrDiskFull) {
		return errors.Join(err, os.RemoveAll(u.dir(repo, id))) // it can't go on, and its bytes may be cut
	}
	return err
}

// Finish makes a layer of an upload. Its digest must be each of those. It says ErrExists when the layer is there, also when an
// earlier call made it whose answer was lost.
func (u *Uploads) Finish(ctx context.Context, repo, id string, digests ...digest.Digest) error {
	defer u.lock(id)()
	for _, d := range digests[1:] {
		if d != digests[0] {
			return ErrDigest
		}
	}
	there := false
	err := u.do(ctx, repo, func(ctx context.Context, blobs distribution.BlobStore) error {
		_, err := blobs.Stat(ctx, digests[0])
		if there = err == nil; errors.Is(err, distribution.ErrBlobUnknown) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	err = u.resume(ctx, repo, id, func(ctx context.Context, _ distribution.BlobStore, w distribution.BlobWriter) error {
		switch {
		case there:
			return w.Cancel(ctx)
		case w.Size() == 0:
			return ErrEmpty
		case u.note(repo, id).at(w.Size()).Small:
			return ErrSmall
		}
		_, err := w.Commit(ctx, v1.Descriptor{Digest: digests[0]})
		if _, wrong := errors.AsType[distribution.ErrBlobInvalidDigest](err); wrong {
			return ErrDigest
		}
		return err
	})
	if there && (err == nil || errors.Is(err, ErrUnknown)) {
		return ErrExists
	}
	return err
}

// Receive takes in a whole layer from r.
func (u *Uploads) Receive(ctx context.Context, repo string, dgst digest.Digest, r io.Reader) error {
	return u.do(ctx, repo, func(ctx context.Context, blobs distribution.BlobStore) error {
		w, err := blobs.Create(ctx)
		if err != nil {
			return err
		}
		n, err := io.Copy(w, io.LimitReader(r, MaxLayer+1))
		if err == nil && n > MaxLayer {
			err = ErrMany
		}
		if err == nil {
			_, err = w.Commit(ctx, v1.Descriptor{Digest: dgst})
		}
		if _, wrong := errors.AsType[distribution.ErrBlobInvalidDigest](err); wrong {
			err = ErrDigest
		}
		if err != nil {
			return errors.Join(err, os.RemoveAll(u.dir(repo, w.ID())))
		}
		return nil
	})
}

func (u *Uploads) lock(id string) (unlock func()) {
	l := &u.locks[maphash.String(u.seed, id)%uint64(len(u.locks))]
	l.Lock()
	return l.Unlock
}

func (u *Uploads) do(ctx context.Context, repo string, f func(context.Context, distribution.BlobStore) error) error {
	name, err := reference.WithName(repo)
	if err != nil {
		return fmt.Errorf("open repository %s: %w", repo, err)
	}
	var s durable.Session
	defer s.Close()
	ctx = s.In(ctx)
	r, err := u.store.Repository(ctx, name)
	if err != nil {
		return fmt.Errorf("open repository %s: %w", repo, err)
	}
	if err = f(ctx, r.Blobs(ctx)); s.Full() || durable.IsFull(err) {
		return ErrDiskFull
	}
	return err
}

// ids are the names of uploads.
var ids = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (u *Uploads) resume(ctx context.Context, repo, id string, f func(context.Context, distribution.BlobStore, distribution.BlobWriter) error) error {
	return u.do(ctx, repo, func(ctx context.Context, blobs distribution.BlobStore) error {
		if !ids.MatchString(id) {
			return ErrUnknown
		}
		if err := u.cut(repo, id); err != nil {
			return fmt.Errorf("go on with upload %s: %w", id, err)
		}
		w, err := blobs.Resume(ctx, id)
		if errors.Is(err, distribution.ErrBlobUploadUnknown) {
			return ErrUnknown
		}
		if err != nil {
			return fmt.Errorf("go on with upload %s: %w", id, err)
		}
		defer w.Close() // again, for what f has written
		return f(ctx, blobs, w)
	})
}

// note is what is kept of the parts of an upload beside their bytes. It is written before the last part's bytes are.
type note struct {
	Parts  int
	Last   int   // bytes of the last part
	Small  bool  // a part before it is too small
	Ends   int64 // bytes of all parts
	Before *note // that of the parts before the last one
}

func (n note) with(length int, ends int64) note {
	n.Before = nil
	return note{n.Parts + 1, length, n.Small || n.Parts > 0 && n.Last < MinPart, ends, &n}
}

// at is the note of an upload that has so many bytes. There are fewer than it tells when its last part never came.
func (n note) at(size int64) note {
	if n.Before == nil || size >= n.Ends {
		return n
	}
	return *n.Before
}

func (u *Uploads) dir(repo, id string) string {
	return filepath.Join(u.root, "repositories", repo, "_uploads", id)
}

// cut takes off what came of a part that was never acknowledged.
func (u *Uploads) cut(repo, id string) error {
	n, data := u.note(repo, id), filepath.Join(u.dir(repo, id), "data")
	info, err := os.Stat(data)
	if err != nil || n.Before == nil || info.Size() >= n.Ends || info.Size() <= n.Before.Ends {
		return nil //nolint:nilerr // without bytes there is nothing to cut
	}
	return os.Truncate(data, n.Before.Ends)
}

func (u *Uploads) note(repo, id string) (n note) {
	b, err := os.ReadFile(filepath.Join(u.dir(repo, id), "parts"))
	if err != nil || json.Unmarshal(b, &n) != nil {
		return note{} // there was no part yet
	}
	return n
}

func (u *Uploads) keep(repo, id string, n note) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(u.dir(repo, id), "parts"), b)
}
