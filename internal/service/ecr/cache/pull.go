package cache

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/registry/upstream"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
)

// fresh is how long a tag is believed.
const fresh = 24 * time.Hour

// lookTime is how long an upstream registry may take to say what a tag stands for, and to give a manifest.
const lookTime = time.Minute

// stored is what records say of an image.
type stored struct {
	digest string // "": it isn't here
	fresh  bool   // nobody need be asked
	repo   bool   // there is such a repository
	rule   record.Rule
	ruled  bool // there is a rule
}

// look reads what is known of ref in a repository.
func (a *API) look(ctx context.Context, name, ref string) (s stored, err error) {
	return handler.View(ctx, a.records.DB, func(tx store.Tx) (s stored, err error) {
		for r, err := range record.RuleRows.Peek(tx, "") {
			if err != nil {
				return s, err
			}
			if covers(r.Prefix, name) && (!s.ruled || rank(r.Prefix) > rank(s.rule.Prefix)) {
				s.rule, s.ruled = *r, true
			}
		}
		repo, ok, err := handler.Find(tx, record.RepositoryRows, name)
		if err != nil || !ok {
			return s, err
		}
		s.repo = true
		img, ok, err := record.Find(tx, repo, ref)
		if err != nil || !ok {
			return s, err
		}
		s.digest, s.fresh = img.Digest, true
		if record.IsDigest(ref) || repo.Immutable(ref) {
			return s, nil
		}
		t, _, err := handler.Find(tx, record.TagRows, record.TagKey(repo.ID, ref))
		age := time.Since(t.Checked)
		s.fresh = age >= 0 && age < fresh
		return s, err
	})
}

// covers says whether a rule with a prefix is about a repository.
func covers(prefix, name string) bool {
	return prefix == record.RootPrefix || strings.HasPrefix(name, prefix+"/")
}

// rank is how much a rule's prefix says: of two that cover a name, the longer one counts.
func rank(prefix string) int {
	if prefix == record.RootPrefix {
		return 0
	}
	return len(prefix)
}

// upstreamName is how a rule's upstream registry calls a repository.
func upstreamName(r record.Rule, name string) string {
	if r.Prefix != record.RootPrefix {
		name = strings.TrimPrefix(name, r.Prefix+"/")
	}
	if r.UpstreamPrefix != "" && r.UpstreamPrefix != record.RootPrefix {
		name = r.UpstreamPrefix + "/" + name
	}
	return name
}

// Resolve returns the digest that ref stands for, a tag or a digest, as records do. What isn't here, or was looked for too long ago, is
// looked for in the upstream registry, if there is a rule and the caller may. Errors: those of records, and *registry.Error.
func (a *API) Resolve(ctx context.Context, name, ref string) (string, error) {
	s, err := a.look(ctx, name, ref)
	if err != nil {
		return "", err
	}
	if !s.ruled || s.digest != "" && s.fresh {
		return a.records.Resolve(ctx, name, ref)
	}
	got, err := a.find(ctx, s, name, ref)
	if err != nil && s.digest != "" {
		a.log.Warn("an image was not looked for in the upstream registry, and is served as it is here", "key", name, "image", ref, "err", err)
		return s.digest, nil
	}
	return got, err
}

// allowed refuses who may not bring images from upstream registries
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache-iam.html).
func (a *API) allowed(ctx context.Context, name string) error {
	err := caller.Allowed(ctx, "ecr:BatchImportUpstreamImage", a.records.ARN(name), nil)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return registry.Denied(e.ErrorMessage())
	}
	return err
}

// find looks for an image in the upstream registry, and begins to import it.
func (a *API) find(ctx context.Context, s stored, name, ref string) (string, error) {
	if err := a.allowed(ctx, name); err != nil {
		return "", err
	}
	if j, ok := a.underway(name, ref); ok && s.repo {
		return j.desc.Digest.String(), nil
	}
	is, err := once(ctx, a, "look "+name+" "+ref, func(ctx context.Context) (*job, error) { return a.ask(ctx, s.rule, name, ref) })
	if err != nil {
		return "", a.refusal(s, name, err)
	}
	dgst := is.desc.Digest.String()
	if dgst == s.digest {
		return dgst, a.records.Checked(ctx, name, ref, dgst, time.Now())
	}
	if !s.repo {
		if err := a.repos.ForPull(ctx, name); err != nil {
			return "", err
		}
	}
	_, err = once(ctx, a, "stage "+name+" "+dgst, func(ctx context.Context) (struct{}, error) { return struct{}{}, a.stage(ctx, is) })
	if err != nil {
		return "", a.refusal(s, name, err)
	}
	a.begin(is)
	return dgst, nil
}

// ask asks the upstream registry what a tag, or a digest, stands for.
func (a *API) ask(ctx context.Context, r record.Rule, name, ref string) (*job, error) {
	ctx, stop := context.WithTimeout(ctx, lookTime)
	defer stop()
	remote, err := a.remote(ctx, r, upstreamName(r, name))
	if err != nil {
		return nil, err
	}
	desc, err := remote.Resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	if !isManifest(desc.MediaType) {
		return nil, upstream.ErrNotFound // it is a layer's digest
	}
	j := &job{repo: name, remote: remote, desc: desc}
	if !record.IsDigest(ref) {
		j.tag = ref
	}
	return j, nil
}

// isManifest says whether something is an image, or an index of some.
func isManifest(mediaType string) bool {
	switch mediaType {
	case v1.MediaTypeImageManifest, v1.MediaTypeImageIndex, "application/vnd.docker.distribution.manifest.v2+json", "application/vnd.docker.distribution.manifest.list.v2+json":
		return true
	}
	return false
}

// stage keeps a manifest whose layers aren't here yet.
func (a *API) stage(ctx context.Context, j *job) error {
	ctx, stop := context.WithTimeout(ctx, lookTime)
	defer stop()
	body, err := j.remote.Manifest(ctx, j.desc)
	if err != nil {
		return err
	}
	return a.content.Stage(ctx, j.repo, j.desc.MediaType, body)
}

// Fetch brings a layer that the repository lacks and its upstream registry has. Errors: *registry.Error.
func (a *API) Fetch(ctx context.Context, name string, dgst digest.Digest) error {
	s, err := a.look(ctx, name, dgst.String())
	if err != nil {
		return err
	}
	if !s.ruled || !s.repo {
		return registry.BlobUnknown()
	}
	if err := a.allowed(ctx, name); err != nil {
		return err
	}
	remote, err := a.remoteFor(ctx, s.rule, name)
	if err == nil {
		err = a.layer(ctx, name, remote, dgst)
	}
	if errors.Is(err, upstream.ErrNotFound) {
		return registry.BlobUnknown()
	}
	return a.refusal(s, name, err)
}

// remoteFor is the upstream repository, with the tokens of an import that goes on, if one does.
func (a *API) remoteFor(ctx context.Context, r record.Rule, name string) (*upstream.Remote, error) {
	a.mu.Lock()
	for _, j := range a.pending {
		if j.repo == name {
			a.mu.Unlock()
			return j.remote, nil
		}
	}
	a.mu.Unlock()
	return a.remote(ctx, r, upstreamName(r, name))
}

// refusal is why the upstream registry gives nothing, for the registry's clients.
func (a *API) refusal(s stored, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, upstream.ErrNotFound) && s.repo:
		return registry.ManifestUnknown("Requested image not found")
	case errors.Is(err, upstream.ErrNotFound):
		return a.records.None(name)
	case errors.Is(err, upstream.ErrDenied):
		return registry.Denied(badLogin)
	case errors.Is(err, upstream.ErrBusy):
		return registry.TooMany("The upstream registry '" + s.rule.Host + "' takes no more requests for now. Try again later.")
	case errors.Is(err, upstream.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		a.log.Warn("an upstream registry can't be reached", "key", name, "err", err)
		return registry.Unavailable("The upstream registry '" + s.rule.Host + "' can't be reached. Try again later.")
	}
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return registry.Denied(e.ErrorMessage()) // the secret is gone, or can't be read
	}
	return err
}

// once does something once for all who want it at the same time. It goes on when one of them goes away.
func once[T any](ctx context.Context, a *API, key string, do func(context.Context) (T, error)) (none T, err error) {
	done := a.flights.DoChan(key, func() (any, error) { return do(context.WithoutCancel(ctx)) })
	select {
	case r := <-done:
		if r.Err != nil {
			return none, r.Err
		}
		return r.Val.(T), nil //nolint:forcetypeassert // the key says what it is
	case <-ctx.Done():
		return none, ctx.Err()
	}
}
