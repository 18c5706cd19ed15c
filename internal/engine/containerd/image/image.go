// Package image keeps the images of one containerd namespace: it pulls them, and
// tells what their containers need to know of them.
//
// An image is recorded under name@sha256:… when its layers are unpacked, so one
// that has a record can be run.
package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/continuity/fs"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ociidentity "github.com/opencontainers/image-spec/identity"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/spec"
	"github.com/skylift/skylift/internal/engine/keylock"
	"github.com/skylift/skylift/internal/engine/pull"
)

// Snapshotter is the one that images are unpacked with.
const Snapshotter = "overlayfs"

// Image is what is known of an image that is here.
type Image struct {
	Record containerd.Image
	Chain  string // the snapshot of its layers
	Config spec.ImageConfig
}

// Store is the images of a containerd namespace, which its client has as the
// default.
type Store struct {
	client *containerd.Client
	apply  *Applier
	pulls  *pull.Group
	layers keylock.Locks // of what pulls do to a layer
	blobs  blobs
	local  locals
	uses   uses
	log    *slog.Logger

	mu       sync.Mutex
	known    map[digest.Digest]Image // by manifest or index
	accounts map[string]accounts     // by chain
}

type accounts struct{ passwd, group []byte }

// New returns the images of a client's namespace. The client has an Applier.
func New(ctx context.Context, client *containerd.Client, log *slog.Logger) (*Store, error) {
	files, err := findBlobs(ctx, client)
	if err != nil {
		return nil, err
	}
	a, ok := client.DiffService().(*Applier)
	if !ok {
		return nil, errors.New("containerd's client has no applier of images")
	}
	a.blobs = files
	s := &Store{client: client, apply: a, blobs: files, log: log, uses: uses{began: time.Now(), last: map[string]time.Time{}}, known: map[digest.Digest]Image{}, accounts: map[string]accounts{}}
	s.pulls = pull.New(source{s})
	return s, nil
}

// Use makes images whose references begin with host ("127.0.0.1:4566") come from
// a registry whose files are on this host, without HTTP.
func (s *Store) Use(host string, r Registry) { s.local.Store(&local{host, r}) }

// Close ends running pulls.
func (s *Store) Close() { s.pulls.Close() }

// Get returns an image that is here by the reference that Pull returned, or by
// another name that it was imported under. Errors: engine.ErrNotFound.
func (s *Store) Get(ctx context.Context, ref string) (Image, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return Image{}, fmt.Errorf("image %s: %w: %w", ref, engine.ErrNotFound, err)
	}
	record, err := s.client.GetImage(ctx, reference.TagNameOnly(named).String())
	if cerrdefs.IsNotFound(err) {
		return Image{}, fmt.Errorf("no such image: %s: %w", ref, engine.ErrNotFound)
	}
	if err != nil {
		return Image{}, fmt.Errorf("look for image %s: %w", ref, err)
	}
	s.mu.Lock()
	known, ok := s.known[record.Target().Digest]
	s.mu.Unlock()
	known.Record = record
	if ok {
		return known, nil
	}
	known, err = describe(ctx, s.client.ContentStore(), record)
	if err != nil {
		return Image{}, fmt.Errorf("read image %s: %w", ref, err)
	}
	s.mu.Lock()
	s.known[record.Target().Digest] = known
	s.mu.Unlock()
	return known, nil
}

// describe reads an image's configuration.
func describe(ctx context.Context, blobs content.Provider, record containerd.Image) (Image, error) {
	at, err := images.Config(ctx, blobs, record.Target(), platforms.Default())
	if err != nil {
		return Image{}, err
	}
	text, err := content.ReadBlob(ctx, blobs, at)
	if err != nil {
		return Image{}, err
	}
	if digest.FromBytes(text) != at.Digest {
		return Image{}, fmt.Errorf("configuration %s: %w", at.Digest, errCorrupt)
	}
	var config struct {
		Config spec.ImageConfig `json:"config"`
		RootFS struct {
			DiffIDs []digest.Digest `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(text, &config); err != nil {
		return Image{}, fmt.Errorf("configuration %s: %w", at.Digest, err)
	}
	return Image{Record: record, Chain: ociidentity.ChainID(config.RootFS.DiffIDs).String(), Config: config.Config}, nil
}

// Unpack unpacks an image whose layers are gone from the snapshotter.
func (s *Store) Unpack(ctx context.Context, i Image) error {
	return i.Record.Unpack(ctx, Snapshotter)
}

// mostAccounts bounds how much of a file of accounts is read.
const mostAccounts = 4 << 20

// Accounts returns /etc/passwd and /etc/group of an image; what it hasn't is
// empty.
func (s *Store) Accounts(ctx context.Context, i Image) (passwd, group []byte, err error) {
	s.mu.Lock()
	a, ok := s.accounts[i.Chain]
	s.mu.Unlock()
	if ok {
		return a.passwd, a.group, nil
	}
	err = s.View(ctx, i, func(root string) error {
		var err error
		if a.passwd, err = readIn(root, "/etc/passwd"); err != nil {
			return err
		}
		a.group, err = readIn(root, "/etc/group")
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look into image %s: %w", i.Record.Name(), err)
	}
	s.mu.Lock()
	s.accounts[i.Chain] = a
	s.mu.Unlock()
	return a.passwd, a.group, nil
}

// readIn reads a file below root, whose links end there. One that isn't there is
// empty.
func readIn(root, name string) ([]byte, error) {
	file, err := fs.RootPath(root, name)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	info, err := os.Lstat(file)
	if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > mostAccounts {
		return nil, fmt.Errorf("%s has %d bytes", name, info.Size())
	}
	return os.ReadFile(file)
}

// View mounts an image's files while f looks at them.
func (s *Store) View(ctx context.Context, i Image, f func(root string) error) error {
	snapshots := s.client.SnapshotService(Snapshotter)
	// Without a lease the view would be garbage at once; with it, it is when we die.
	ctx, done, err := s.client.WithLease(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = done(ctx) }() // it ends by itself
	key := "view-" + randomHex()
	mounts, err := snapshots.View(ctx, key, i.Chain)
	if cerrdefs.IsNotFound(err) {
		if err := s.Unpack(ctx, i); err != nil {
			return err
		}
		mounts, err = snapshots.View(ctx, key, i.Chain)
	}
	if err != nil {
		return err
	}
	return errors.Join(mount.WithReadonlyTempMount(ctx, mounts, f), snapshots.Remove(ctx, key))
}

// Purge removes all images and what is unpacked of them.
func (s *Store) Purge(ctx context.Context) error {
	list, err := s.client.ImageService().List(ctx)
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	for i, record := range list {
		var options []images.DeleteOpt
		if i == len(list)-1 {
			options = append(options, images.SynchronousDelete()) // collects all garbage
		}
		if err := s.client.ImageService().Delete(ctx, record.Name, options...); err != nil && !cerrdefs.IsNotFound(err) {
			return fmt.Errorf("remove image %s: %w", record.Name, err)
		}
	}
	return nil
}
