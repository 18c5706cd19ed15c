package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skylift/skylift/internal/registry/garbage"
)

// GC removes what no record refers to: manifests that were deleted, then
// layers and blobs that no manifest needs and nobody asked for within the
// grace, and uploads that nobody continued for a day. It may run at any time
// and be cut off anywhere. While it decides, pushed manifests wait; pulls and
// uploads don't.
func (r *Registry) GC(ctx context.Context) error {
	r.pushing.Lock()
	defer r.pushing.Unlock()
	c := garbage.Collector{Root: r.root, Used: &r.used, Kept: r.references}
	return c.Collect(ctx, time.Now().Add(-r.grace))
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
