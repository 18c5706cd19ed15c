// Package cache has repositories stand for those of other registries, by rules: an image that isn't here is fetched from there
// when it is pulled, and kept.
//
// What is here is served whether or not the other registry can be reached. It is asked for a tag at most once in 24 hours
// (https://docs.aws.amazon.com/AmazonECR/latest/userguide/pull-through-cache.html).
package cache

import (
	"context"
	"io"
	"log/slog"
	"net/url"
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/singleflight"

	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/wire"
)

// content is where images are kept. The registry implements it.
type content interface {
	Layer(ctx context.Context, repo string, dgst digest.Digest) (size int64, there bool, err error)
	Receive(ctx context.Context, repo string, dgst digest.Digest, from io.Reader) error
	Stage(ctx context.Context, repo, mediaType string, body []byte) error
	Put(ctx context.Context, p registry.Pushed, record func(context.Context, registry.Manifest) error) (registry.Manifest, error)
}

// maker makes repositories.
type maker interface {
	// ForPull makes a repository that isn't there, if the caller may. Its errors are for the registry's clients.
	ForPull(ctx context.Context, name string) error
}

// secrets are Secrets Manager's.
type secrets interface {
	// Secret reads a secret's text. The error is Secrets Manager's.
	Secret(ctx context.Context, arn string) (string, error)
}

// API has a handler for every operation about rules, and follows them.
type API struct {
	records *record.Records
	repos   maker
	secrets secrets
	places  map[string]url.URL // where a registry is reached that isn't at its own name, by host
	log     *slog.Logger
	content content // nil until Into

	flights singleflight.Group // one look at a tag, and one fetch of a manifest or a layer, at a time
	layers  chan struct{}      // a place each, for layers that come in
	jobs    chan *job

	mu      sync.Mutex
	pending map[string]*job // what is being imported, by key; also by tag
}

// The bounds of what goes on at once, and of an image.
const (
	mostLayers  = 8
	mostWaiting = 64
	importers   = 3
	mostImages  = 256 // of an index
)

// New returns the API. Places are where registries are reached that aren't at their own names.
func New(records *record.Records, repos maker, s secrets, places map[string]url.URL, log *slog.Logger) *API {
	return &API{
		records: records, repos: repos, secrets: s, places: places, log: log,
		layers: make(chan struct{}, mostLayers), jobs: make(chan *job, mostWaiting), pending: map[string]*job{},
	}
}

// Into says where images are kept, before anything is pulled.
func (a *API) Into(c content) { a.content = c }

// Operations lists the handlers by the names that AWS has for them.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("CreatePullThroughCacheRule", a.CreatePullThroughCacheRule).Takes("registryId ecrRepositoryPrefix upstreamRegistryUrl upstreamRegistry upstreamRepositoryPrefix credentialArn").
			Checks(func(in *sdk.CreatePullThroughCacheRuleInput) []error { return a.newFaults(in) }),
		wire.Op("DeletePullThroughCacheRule", a.DeletePullThroughCacheRule).Takes("registryId ecrRepositoryPrefix"),
		wire.Op("DescribePullThroughCacheRules", a.DescribePullThroughCacheRules).Takes("registryId ecrRepositoryPrefixes maxResults nextToken"),
		wire.Op("UpdatePullThroughCacheRule", a.UpdatePullThroughCacheRule).Takes("registryId ecrRepositoryPrefix credentialArn"),
		wire.Op("ValidatePullThroughCacheRule", a.ValidatePullThroughCacheRule).Takes("registryId ecrRepositoryPrefix"),
	}
}
