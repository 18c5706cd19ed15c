package image

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/leases"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
)

// uses remembers when each image was last asked for. It isn't kept: after a
// start, all were asked for then.
type uses struct {
	mu    sync.Mutex
	began time.Time
	last  map[string]time.Time // by name
}

func (u *uses) touch(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.last[name] = time.Now()
}

// unused runs remove unless an image was asked for since the time given. Whoever
// asks for it meanwhile waits, and then sees that it is gone.
func (u *uses) unused(name string, since time.Time, remove func() error) (removed bool, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	last, ok := u.last[name]
	if !ok {
		last = u.began
	}
	if last.After(since) {
		return false, nil
	}
	delete(u.last, name)
	return true, remove()
}

// Tidy removes those pulled images that no container has, that aren't among kept,
// and that nobody asked for within age, with their layers, and returns their names.
func (s *Store) Tidy(ctx context.Context, kept []string, age time.Duration) (removed []string, err error) {
	since := time.Now().Add(-age)
	list, err := s.client.ImageService().List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	// Containers after images: one that is made now has its image asked for.
	running, err := s.client.ContainerService().List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	inUse := map[string]bool{}
	for _, name := range kept {
		inUse[name] = true
	}
	for _, c := range running {
		inUse[c.Image] = true
	}
	for _, i := range list {
		if inUse[i.Name] || !pulled(i) || i.UpdatedAt.After(since) {
			continue
		}
		gone, err := s.uses.unused(i.Name, since, func() error { return s.client.ImageService().Delete(ctx, i.Name) })
		if err != nil && !cerrdefs.IsNotFound(err) {
			return removed, errors.Join(fmt.Errorf("remove image %s: %w", i.Name, err), s.collect(ctx, removed))
		}
		if gone {
			s.forget(i)
			removed = append(removed, i.Name)
		}
	}
	slices.Sort(removed)
	return removed, s.collect(ctx, removed)
}

// pulled tells whether Pull brought an image: it is called by its digest.
func pulled(i images.Image) bool {
	named, err := reference.ParseNormalizedNamed(i.Name)
	_, digested := named.(reference.Digested)
	return err == nil && digested
}

// collect makes containerd remove what belonged to removed images, and waits for
// that.
func (s *Store) collect(ctx context.Context, removed []string) error {
	if len(removed) == 0 {
		return nil
	}
	// A lease that goes, and who takes it away waits.
	manager := s.client.LeasesService()
	lease, err := manager.Create(ctx, leases.WithRandomID(), leases.WithExpiration(time.Hour))
	if err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	if err := manager.Delete(ctx, lease, leases.SynchronousDelete); err != nil {
		return fmt.Errorf("collect garbage: %w", err)
	}
	return nil
}

// forget forgets what was known of an image.
func (s *Store) forget(i images.Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.known[i.Target.Digest]; ok {
		delete(s.accounts, known.Chain)
	}
	delete(s.known, i.Target.Digest)
}
