package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// usage remembers when a client was last told that a blob is there, or sent
// it: a push that counts on it may follow.
type usage struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func (u *usage) touch(digests ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		u.last = map[string]time.Time{}
	}
	for _, d := range digests {
		u.last[d] = time.Now()
	}
}

// unused runs remove unless the blob was touched since the time given; a touch
// waits for it, and so does not count on what is being removed.
func (u *usage) unused(dgst string, since time.Time, remove func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last[dgst].After(since) {
		return nil
	}
	delete(u.last, dgst)
	return remove()
}

// forget drops what is too old to matter.
func (u *usage) forget(since time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for d, t := range u.last {
		if !t.After(since) {
			delete(u.last, d)
		}
	}
}

// GC removes what no record refers to: manifests that were deleted, then
// layers and blobs that no manifest needs and nobody asked for within the
// grace, and uploads that nobody continued for a day. It may run at any time
// and be cut off anywhere. While it decides, pushed manifests wait; pulls and
// uploads don't.
func (r *Registry) GC(ctx context.Context) error {
	since := time.Now().Add(-r.grace)
	r.pushing.Lock()
	defer r.pushing.Unlock()
	repos, err := r.repositories()
	if err != nil {
		return fmt.Errorf("list repositories: %w", err)
	}
	needed := map[string]bool{}
	for _, repo := range repos {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.sweepRepository(ctx, repo, since, needed); err != nil {
			return fmt.Errorf("sweep repository %s: %w", repo, err)
		}
	}
	if err := r.sweepBlobs(since, needed); err != nil {
		return fmt.Errorf("sweep blobs: %w", err)
	}
	r.used.forget(since)
	return nil
}

// sweepRepository removes the unrecorded from one repository, and adds what
// its manifests need to needed.
func (r *Registry) sweepRepository(ctx context.Context, repo string, since time.Time, needed map[string]bool) error {
	dir := filepath.Join(r.root, "repositories", repo)
	here, err := r.references(ctx, repo)
	if err != nil {
		return err
	}
	for d := range here {
		needed[d] = true
	}
	err = eachDigest(filepath.Join(dir, "_manifests/revisions"), func(dgst, path string) error {
		if here[dgst] {
			return nil
		}
		return os.RemoveAll(path)
	})
	if err != nil {
		return err
	}
	err = eachDigest(filepath.Join(dir, "_layers"), func(dgst, path string) error {
		if here[dgst] {
			return nil
		}
		return r.removeOld(dgst, path, filepath.Join(path, "link"), since)
	})
	if err != nil {
		return err
	}
	return removeUploads(filepath.Join(dir, "_uploads"), time.Now().Add(-uploadAge))
}

// references returns the recorded manifests of repo and all they refer to.
func (r *Registry) references(ctx context.Context, repo string) (map[string]bool, error) {
	manifests, err := r.records.Manifests(ctx, repo)
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	refs := map[string]bool{}
	for _, rec := range manifests {
		refs[rec.Digest] = true
		m, err := r.manifest(ctx, repo, rec.Digest)
		if errors.Is(err, ErrNoManifest) {
			r.log.Error("a recorded image has no manifest on disk", "key", repo+"@"+rec.Digest)
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, d := range m.References() {
			refs[d.Digest.String()] = true
		}
	}
	return refs, nil
}

func (r *Registry) sweepBlobs(since time.Time, needed map[string]bool) error {
	prefixes, err := filepath.Glob(filepath.Join(r.root, "blobs/*/??"))
	if err != nil {
		return err
	}
	for _, prefix := range prefixes {
		algorithm := filepath.Base(filepath.Dir(prefix))
		entries, err := os.ReadDir(prefix)
		if err != nil {
			return err
		}
		for _, e := range entries {
			dgst, path := algorithm+":"+e.Name(), filepath.Join(prefix, e.Name())
			if needed[dgst] {
				continue
			}
			if err := r.removeOld(dgst, path, filepath.Join(path, "data"), since); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeOld removes path unless file, in it, was written after since or the
// blob was touched after it.
func (r *Registry) removeOld(dgst, path, file string, since time.Time) error {
	info, err := os.Stat(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && info.ModTime().After(since) {
		return nil
	}
	return r.used.unused(dgst, since, func() error { return os.RemoveAll(path) })
}

// repositories lists those that have a directory, recorded or not.
func (r *Registry) repositories() ([]string, error) {
	var repos []string
	top := filepath.Join(r.root, "repositories")
	err := filepath.WalkDir(top, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !strings.HasPrefix(e.Name(), "_") {
			return err
		}
		repo, err := filepath.Rel(top, filepath.Dir(path))
		if err != nil {
			return err
		}
		if len(repos) == 0 || repos[len(repos)-1] != repo {
			repos = append(repos, repo)
		}
		return fs.SkipDir
	})
	return repos, err
}

// eachDigest calls f with every <algorithm>/<hex> directory in dir.
func eachDigest(dir string, f func(dgst, path string) error) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*/*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		dgst := filepath.Base(filepath.Dir(path)) + ":" + filepath.Base(path)
		if err := f(dgst, path); err != nil {
			return err
		}
	}
	return nil
}

// removeUploads removes the uploads in dir that were not written to since.
func removeUploads(dir string, since time.Time) error {
	uploads, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, upload := range uploads {
		if changed, err := lastChange(upload); err != nil || changed.After(since) {
			continue // finished under our eyes, or going on
		}
		if err := os.RemoveAll(upload); err != nil {
			return err
		}
	}
	return nil
}

func lastChange(dir string) (last time.Time, err error) {
	err = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return err
	})
	return last, err
}
