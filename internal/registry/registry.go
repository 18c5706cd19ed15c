// Package registry serves images over the OCI distribution API.
//
// What a repository holds (its manifests and tags) is decided by the Records
// it is given; on disk are only bytes, named by their digest. A push is
// acknowledged after its bytes are on stable storage and its record is
// committed, in this order, so that a record never lacks its bytes. Bytes
// without a record are not served as an image, and GC reclaims them.
package registry

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/distribution/distribution/v3"
	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	"github.com/distribution/distribution/v3/registry/storage"
	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/registry/durable"
	"github.com/skylift/skylift/internal/registry/garbage"
	"github.com/skylift/skylift/internal/registry/parts"
)

// Records says who may come in and what the repositories hold. Its errors are
// shown to the client when they are an *Error, and otherwise answered as an
// opaque server fault.
type Records interface {
	// Authenticate checks a login.
	Authenticate(ctx context.Context, user, password string) error
	// Repository fails (404 NAME_UNKNOWN) when there is no such repository.
	Repository(ctx context.Context, repo string) error
	// ForPush is Repository for a push, which may make it.
	ForPush(ctx context.Context, repo string) error
	// Repositories lists all repositories in order.
	Repositories(ctx context.Context) ([]string, error)
	// Manifests lists what a repository holds, without tags; nothing when it
	// doesn't exist.
	Manifests(ctx context.Context, repo string) ([]Manifest, error)
	// Tags lists the tags of a repository in order; nothing when it doesn't exist.
	Tags(ctx context.Context, repo string) ([]string, error)
	// Resolve returns the digest that ref, a tag or a digest, stands for, or
	// fails (404 MANIFEST_UNKNOWN) when the repository doesn't hold it, or as
	// Repository does.
	Resolve(ctx context.Context, repo, ref string) (digest string, err error)
	// Push records a manifest and moves its first tag, if any, to it. It
	// returns after the commit, and nothing is recorded when it fails.
	Push(ctx context.Context, m Manifest) error
	// Delete removes ref: a tag, or a digest with all its tags.
	Delete(ctx context.Context, repo, ref string) error
}

// Upstream brings what repositories stand for that lies in other registries.
type Upstream interface {
	// Fetch brings a layer to a repository, by Receive. It fails (404 BLOB_UNKNOWN) when the
	// repository stands for none elsewhere.
	Fetch(ctx context.Context, repo string, dgst digest.Digest) error
}

// Manifest describes what was pushed.
type Manifest struct {
	Repo         string
	Digest       string   // sha256:…
	Tags         []string // at most one in a push
	MediaType    string
	ArtifactType string   // artifactType, or the configuration's media type
	Subject      string   // the digest this one refers to, empty for most
	Children     []string // of an index: the digests of its manifests
	Size         int64    // configuration and layers; of an index, its largest image
	ManifestSize int64
	PushedAt     time.Time
}

// Config is what a Registry is made of.
type Config struct {
	Root    string // the directory of the blobs, made when missing
	Records Records
	// Upstream may be absent: all that repositories have is here.
	Upstream Upstream
	Log      *slog.Logger
	// Full says that the disk has no room for pushes, before it has none at all. It
	// may be absent.
	Full func() bool
	// Grace protects bytes that no record refers to yet: those of a push under
	// way. An hour when zero.
	Grace time.Duration
	// MaxRequests is how many requests are answered at once: each has files open.
	// 0: 1,024.
	MaxRequests int
}

// Registry is an http.Handler for /v2/. Make it with New.
type Registry struct {
	records Records
	from    Upstream
	log     *slog.Logger
	full    func() bool
	root    string // holds blobs/ and repositories/
	grace   time.Duration
	app     *handlers.App
	store   distribution.Namespace
	slots   chan struct{} // a place each, for requests
	uploads *parts.Uploads

	// pushing is held shared from the check of a manifest's blobs to the
	// commit of its record, and alone by GC while it decides and sweeps.
	pushing sync.RWMutex
	used    garbage.Usage
}

// New opens the registry in cfg.Root. It starts nothing: see Run.
func New(ctx context.Context, cfg Config) (*Registry, error) {
	ctx = context.WithoutCancel(ctx) // distribution keeps it
	if err := os.MkdirAll(cfg.Root, 0o700); err != nil {
		return nil, fmt.Errorf("make registry directory: %w", err)
	}
	secret, err := secret(filepath.Join(cfg.Root, "upload-secret"))
	if err != nil {
		return nil, err
	}
	silence()
	if cfg.Full == nil {
		cfg.Full = func() bool { return false }
	}
	driver := durable.New(cfg.Root, cfg.Full)
	store, err := storage.NewRegistry(ctx, driver)
	if err != nil {
		return nil, fmt.Errorf("open registry: %w", err)
	}
	if cfg.Grace == 0 {
		cfg.Grace = time.Hour
	}
	root := filepath.Join(cfg.Root, "docker/registry/v2")
	return &Registry{
		records: cfg.Records,
		from:    cfg.Upstream,
		log:     cfg.Log,
		full:    cfg.Full,
		root:    root,
		grace:   cfg.Grace,
		app:     handlers.NewApp(ctx, appConfig(secret, driver)),
		store:   store,
		slots:   make(chan struct{}, cmp.Or(cfg.MaxRequests, 1024)),
		uploads: parts.New(store, root),
	}, nil
}

// Run collects garbage every hour until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		if err := r.GC(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("registry garbage collection", "err", err)
		}
	}
}

// Manifest returns the bytes of a manifest that was pushed to repo.
func (r *Registry) Manifest(ctx context.Context, repo, dgst string) (content []byte, mediaType string, err error) {
	m, err := r.manifest(ctx, repo, dgst)
	if err != nil {
		return nil, "", err
	}
	mediaType, content, err = m.Payload()
	return content, mediaType, err
}

// ErrNoManifest says that a manifest is not on disk.
var ErrNoManifest = errors.New("no such manifest")

func (r *Registry) manifest(ctx context.Context, repo, dgst string) (distribution.Manifest, error) {
	repository, err := r.repository(ctx, repo)
	if err != nil {
		return nil, err
	}
	manifests, err := repository.Manifests(ctx)
	if err != nil {
		return nil, fmt.Errorf("read manifest of %s: %w", repo, err)
	}
	m, err := manifests.Get(ctx, digest.Digest(dgst))
	if _, ok := errors.AsType[distribution.ErrManifestUnknownRevision](err); ok {
		return nil, fmt.Errorf("read manifest %s@%s: %w", repo, dgst, ErrNoManifest)
	}
	if err != nil {
		return nil, fmt.Errorf("read manifest %s@%s: %w", repo, dgst, err)
	}
	return m, nil
}

func (r *Registry) repository(ctx context.Context, repo string) (distribution.Repository, error) {
	name, err := reference.WithName(repo)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", repo, err)
	}
	repository, err := r.store.Repository(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open repository %s: %w", repo, err)
	}
	return repository, nil
}

// appConfig leaves to distribution's application what it does best: blobs and
// their uploads, and the check of a manifest. It has no cache of descriptors,
// which would remember blobs that GC removed, and no purger: GC does that.
func appConfig(secret string, driver *durable.Driver) *configuration.Configuration {
	cfg := &configuration.Configuration{Storage: configuration.Storage{
		durable.Name: {"instance": driver},
		"maintenance": {"uploadpurging": map[any]any{
			"enabled": false,
		}},
		"delete":   {"enabled": false},
		"redirect": {"disable": true},
	}}
	cfg.HTTP.Secret = secret
	// Layers that lie elsewhere, as those of Windows do.
	cfg.Validation.Manifests.URLs.Allow = []string{"^https?://"}
	return cfg
}

// silence turns off the log of distribution, which goes to logrus' global
// logger; what matters is logged here.
var silence = sync.OnceFunc(func() {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
})

// secret signs the state of uploads; it is kept so that they can be resumed
// after a restart.
func secret(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err == nil && len(b) > 0 {
		return string(bytes.TrimSpace(b)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read upload secret: %w", err)
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails, by its contract
	text := hex.EncodeToString(key)
	if err := atomicfile.Write(file, []byte(text+"\n")); err != nil {
		return "", fmt.Errorf("write upload secret: %w", err)
	}
	return text, nil
}

var _ http.Handler = (*Registry)(nil)
