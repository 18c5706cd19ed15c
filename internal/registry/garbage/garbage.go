// Package garbage gives back the room of what no record refers to.
package garbage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// UploadAge is how long an upload may lie untouched before it is removed.
const UploadAge = 24 * time.Hour

// Collector removes the garbage of a registry.
type Collector struct {
	Root string // holds blobs/ and repositories/
	Used *Usage
	// Kept returns the digests of a repository's recorded manifests, and of all that they refer to.
	Kept func(ctx context.Context, repo string) (map[string]bool, error)
}

// Collect removes manifests that have no record, then layers and blobs that no manifest needs and
// nobody asked for since, and uploads that nobody continued for a day. It may be cut off anywhere.
// What is kept must not change meanwhile.
func (c *Collector) Collect(ctx context.Context, since time.Time) error {
	repos, err := c.repositories()
	if err != nil {
		return fmt.Errorf("list repositories: %w", err)
	}
	needed := map[string]bool{}
	for _, repo := range repos {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.sweepRepository(ctx, repo, since, needed); err != nil {
			return fmt.Errorf("sweep repository %s: %w", repo, err)
		}
	}
	if err := c.sweepBlobs(since, needed); err != nil {
		return fmt.Errorf("sweep blobs: %w", err)
	}
	c.Used.Forget(since)
	return nil
}

// sweepRepository removes the unrecorded from one repository, and adds what
// its manifests need to needed.
func (c *Collector) sweepRepository(ctx context.Context, repo string, since time.Time, needed map[string]bool) error {
	dir := filepath.Join(c.Root, "repositories", repo)
	here, err := c.Kept(ctx, repo)
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
		return c.removeOld(dgst, path, filepath.Join(path, "link"), since)
	})
	if err != nil {
		return err
	}
	return removeUploads(filepath.Join(dir, "_uploads"), time.Now().Add(-UploadAge))
}

func (c *Collector) sweepBlobs(since time.Time, needed map[string]bool) error {
	prefixes, err := filepath.Glob(filepath.Join(c.Root, "blobs/*/??"))
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
			if err := c.removeOld(dgst, path, filepath.Join(path, "data"), since); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeOld removes path unless file, in it, was written after since or the
// blob was touched after it.
func (c *Collector) removeOld(dgst, path, file string, since time.Time) error {
	info, err := os.Stat(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && info.ModTime().After(since) {
		return nil
	}
	return c.Used.unused(dgst, since, func() error { return os.RemoveAll(path) })
}

// repositories lists those that have a directory, recorded or not.
func (c *Collector) repositories() ([]string, error) {
	var repos []string
	top := filepath.Join(c.Root, "repositories")
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
			continue // it just finished, or it is still going on
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
