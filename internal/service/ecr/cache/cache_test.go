package cache

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/smithy-go"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr/record"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// place is a registry that is served.
type place struct {
	t       *testing.T
	records *record.Records
	reg     *registry.Registry
	server  *httptest.Server
	away    atomic.Bool
	asked   atomic.Int32 // requests for manifests
	cache   *API
}

// resolving is a place's records, with the cache's Resolve.
type resolving struct {
	*record.Records
	p *place
}

func (r resolving) Resolve(ctx context.Context, name, ref string) (string, error) {
	if r.p.cache == nil {
		return r.Records.Resolve(ctx, name, ref)
	}
	return r.p.cache.Resolve(ctx, name, ref)
}

// served opens a registry. With makes its cache.
func served(t *testing.T, with func(*record.Records) *API) *place {
	t.Helper()
	records, err := record.Open(t.Context(), memstore.New(), arn.Namespace{Region: "us-west-2", Account: "111122223333"}, "127.0.0.1:4566")
	if err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, records: records}
	cfg := registry.Config{Root: t.TempDir(), Records: resolving{records, p}, Log: slog.New(slog.DiscardHandler)}
	if with != nil {
		p.cache = with(records)
		cfg.Upstream = p.cache
	}
	if p.reg, err = registry.New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if p.cache != nil {
		p.cache.Into(p.reg)
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = p.cache.Run(ctx) }()
		t.Cleanup(func() { stop(); <-done })
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.away.Load() {
			http.Error(w, "away", http.StatusBadGateway)
			return
		}
		if strings.Contains(r.URL.Path, "/manifests/") {
			p.asked.Add(1)
		}
		p.reg.ServeHTTP(w, r)
	}))
	t.Cleanup(p.server.Close)
	return p
}

func (p *place) url() url.URL {
	u, err := url.Parse(p.server.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	return *u
}

func (p *place) password() string { return p.records.Password(time.Now().Add(time.Hour), nil) }

func (p *place) blob(repo, text string) v1.Descriptor {
	p.t.Helper()
	d := digest.FromString(text)
	if err := p.reg.Receive(p.t.Context(), repo, d, strings.NewReader(text)); err != nil {
		p.t.Fatal(err)
	}
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(text))}
}

func (p *place) put(repo, tag string, kind string, v any) v1.Descriptor {
	p.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := p.reg.Put(p.t.Context(), registry.Pushed{Repo: repo, Tag: tag, MediaType: kind, Body: body}, p.records.Push)
	if err != nil {
		p.t.Fatal(err)
	}
	return v1.Descriptor{MediaType: kind, Digest: digest.Digest(m.Digest), Size: int64(len(body))}
}

// image pushes an image with one layer, and an index of it, which has the tag.
func (p *place) image(repo, tag, layer string) (index, image v1.Descriptor) {
	p.t.Helper()
	config := p.blob(repo, `{"architecture":"amd64","os":"linux"}`)
	config.MediaType = v1.MediaTypeImageConfig
	image = p.put(repo, "", v1.MediaTypeImageManifest, v1.Manifest{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{p.blob(repo, layer)}})
	index = p.put(repo, tag, v1.MediaTypeImageIndex, v1.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: v1.MediaTypeImageIndex, Manifests: []v1.Descriptor{image}})
	return index, image
}

func (p *place) get(path string) (status int, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, p.server.URL+path, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	req.SetBasicAuth("AWS", p.password())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// makes makes any repository.
type makes struct{ records *record.Records }

func (m makes) ForPull(ctx context.Context, name string) error {
	return m.records.Create(ctx, record.New(name))
}

// vault has the one secret.
type vault struct{ text string }

const secret = "arn:aws:secretsmanager:us-west-2:111122223333:secret:ecr-pullthroughcache/login-abcdef"

func (v *vault) Secret(_ context.Context, name string) (string, error) {
	if name != secret {
		return "", awserr.New("ResourceNotFoundException", "no such secret")
	}
	return v.text, nil
}

// pair is a registry whose ghcr.io is another one here.
func pair(t *testing.T) (local, far *place, v *vault) {
	t.Helper()
	far = served(t, nil)
	if err := far.records.Create(t.Context(), record.New("team/app")); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"username": "AWS", "accessToken": far.password()})
	if err != nil {
		t.Fatal(err)
	}
	v = &vault{string(text)}
	local = served(t, func(r *record.Records) *API {
		return New(r, makes{r}, v, map[string]url.URL{"ghcr.io": far.url(), "quay.io": far.url()}, slog.New(slog.NewTextHandler(t.Output(), nil)))
	})
	if _, err := local.cache.CreatePullThroughCacheRule(t.Context(), &sdk.CreatePullThroughCacheRuleInput{
		EcrRepositoryPrefix: new("hub"), UpstreamRegistryUrl: new("ghcr.io"), CredentialArn: new(secret),
	}); err != nil {
		t.Fatal(err)
	}
	return local, far, v
}

// imported waits until a repository has a tag from upstream.
func (p *place) imported(repo, tag, dgst string) {
	p.t.Helper()
	p.t.Helper()
	met := errors.New("met")
	err := record.TagRows.Follow(p.t.Context(), p.records.DB, func(_ bool, events []store.Event[record.Tag]) error {
		for _, e := range events {
			if t := e.Value; t != nil && t.Name == tag && t.Digest == dgst && !t.Checked.IsZero() {
				return met
			}
		}
		return nil
	})
	if !errors.Is(err, met) {
		p.t.Fatalf("%s:%s was not imported: %v", repo, tag, err)
	}
}

func fails(t *testing.T, err error, code, words string) {
	t.Helper()
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("got %v, want %s: %s", err, code, words)
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	local, far, _ := pair(t)
	index, image := far.image("team/app", "v1", "a layer")
	if status, body := local.get("/v2/hub/team/app/manifests/none"); status != 404 || !strings.Contains(body, "NAME_UNKNOWN") {
		t.Errorf("a tag that nobody has: %d %s", status, body)
	}
	status, body := local.get("/v2/hub/team/app/manifests/v1")
	if status != 200 || digest.FromString(body) != index.Digest {
		t.Fatalf("the index: %d %s", status, body)
	}
	for _, path := range []string{"/manifests/" + image.Digest.String(), "/blobs/" + digest.FromString("a layer").String()} {
		if status, body := local.get("/v2/hub/team/app" + path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := local.get("/v2/hub/team/app/blobs/" + digest.FromString("none").String()); status != 404 || !strings.Contains(body, "BLOB_UNKNOWN") {
		t.Errorf("a layer that nobody has: %d %s", status, body)
	}
	local.imported("hub/team/app", "v1", index.Digest.String())

	// What is here is served, whether or not upstream is there, and it isn't asked again within a day.
	asked := far.asked.Load()
	next, _ := far.image("team/app", "v1", "another layer")
	if _, body := local.get("/v2/hub/team/app/manifests/v1"); digest.FromString(body) != index.Digest || far.asked.Load() != asked {
		t.Errorf("within a day: %s, upstream was asked %d times", body, far.asked.Load()-asked)
	}
	if err := local.records.Checked(t.Context(), "hub/team/app", "v1", index.Digest.String(), time.Now().Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	far.away.Store(true)
	if _, body := local.get("/v2/hub/team/app/manifests/v1"); digest.FromString(body) != index.Digest {
		t.Errorf("upstream is away: %s", body)
	}
	if status, body := local.get("/v2/hub/team/app/manifests/v2"); status != 503 || !strings.Contains(body, "'ghcr.io' can't be reached") {
		t.Errorf("upstream is away, and nothing is here: %d %s", status, body)
	}
	far.away.Store(false)
	if _, body := local.get("/v2/hub/team/app/manifests/v1"); digest.FromString(body) != next.Digest {
		t.Errorf("after a day: %s", body)
	}
	local.imported("hub/team/app", "v1", next.Digest.String())
	if status, body := local.get("/v2/hub/team/app/manifests/v2"); status != 404 || !strings.Contains(body, "MANIFEST_UNKNOWN") {
		t.Errorf("a tag that nobody has: %d %s", status, body)
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	local, far, v := pair(t)
	far.image("team/app", "v1", "a layer")
	may := func(ctx context.Context) context.Context {
		return caller.WithJudge(ctx, func(_ context.Context, action, resource string, _ map[string][]string) error {
			if action == "ecr:BatchImportUpstreamImage" {
				return awserr.New("AccessDeniedException", "not authorized to perform: %s on resource: %s", action, resource)
			}
			return nil
		})
	}
	_, err := local.cache.Resolve(may(t.Context()), "hub/team/app", "v1")
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.Code != "DENIED" || !strings.HasSuffix(e.Message, "ecr:BatchImportUpstreamImage on resource: arn:aws:ecr:us-west-2:111122223333:repository/hub/team/app") {
		t.Errorf("without the permission: %v", err)
	}
	v.text = `{"username":"AWS","accessToken":"wrong"}`
	_, err = local.cache.Resolve(t.Context(), "hub/team/app", "v1")
	if e, ok := errors.AsType[*registry.Error](err); !ok || e.Code != "DENIED" || e.Message != badLogin {
		t.Errorf("with a wrong login: %v", err)
	}
	out, err := local.cache.ValidatePullThroughCacheRule(t.Context(), &sdk.ValidatePullThroughCacheRuleInput{EcrRepositoryPrefix: new("hub")})
	if err != nil || out.IsValid || *out.Failure != badLogin {
		t.Errorf("validate: %+v, %v", out, err)
	}
	if err := local.records.Repository(t.Context(), "hub/team/app"); err == nil {
		t.Error("a repository was made for nothing")
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	local, _, v := pair(t)
	ctx, a := t.Context(), local.cache
	for _, c := range []struct {
		in          sdk.CreatePullThroughCacheRuleInput
		code, words string
	}{
		{sdk.CreatePullThroughCacheRuleInput{UpstreamRegistryUrl: new("registry.example.com")}, "UnsupportedUpstreamRegistryException", "isn't supported"},
		{sdk.CreatePullThroughCacheRuleInput{UpstreamRegistryUrl: new("111122223333.dkr.ecr.us-east-1.amazonaws.com")}, "UnsupportedUpstreamRegistryException", "Amazon ECR"},
		{sdk.CreatePullThroughCacheRuleInput{UpstreamRegistryUrl: new("registry-1.docker.io")}, "InvalidParameterException", "'credentialArn'"},
		{sdk.CreatePullThroughCacheRuleInput{UpstreamRegistryUrl: new("quay.io"), UpstreamRegistry: types.UpstreamRegistryK8s}, "InvalidParameterException", "is 'quay', not 'k8s'"},
		{sdk.CreatePullThroughCacheRuleInput{UpstreamRegistryUrl: new("ghcr.io"), CredentialArn: new(secret + "-other")}, "SecretNotFoundException", noSecret},
		{sdk.CreatePullThroughCacheRuleInput{UpstreamRegistryUrl: new("ghcr.io"), CredentialArn: new(strings.Replace(secret, "us-west-2", "us-east-1", 1))}, "InvalidParameterException", "in the region 'us-west-2'"},
		{sdk.CreatePullThroughCacheRuleInput{EcrRepositoryPrefix: new("hub/"), UpstreamRegistryUrl: new("quay.io")}, "PullThroughCacheRuleAlreadyExistsException", "'hub' already exists"},
	} {
		if c.in.EcrRepositoryPrefix == nil {
			c.in.EcrRepositoryPrefix = new("other")
		}
		_, err := a.CreatePullThroughCacheRule(ctx, &c.in)
		fails(t, err, c.code, c.words)
	}
	if _, err := a.CreatePullThroughCacheRule(ctx, &sdk.CreatePullThroughCacheRuleInput{EcrRepositoryPrefix: new("ROOT"), UpstreamRegistryUrl: new("quay.io"), UpstreamRepositoryPrefix: new("all")}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"hub/team/app": "ghcr.io team/app", "hubs/app": "quay.io all/hubs/app"} {
		s, err := a.look(ctx, name, "v1")
		if got := s.rule.Host + " " + upstreamName(s.rule, name); err != nil || got != want {
			t.Errorf("%s stands for %s, %v; want %s", name, got, err, want)
		}
	}
	list, err := a.DescribePullThroughCacheRules(ctx, &sdk.DescribePullThroughCacheRulesInput{MaxResults: new(int32(1))})
	if err != nil || len(list.PullThroughCacheRules) != 1 || list.NextToken == nil {
		t.Errorf("describe: %+v, %v", list, err)
	}
	v.text = "no JSON"
	_, err = a.UpdatePullThroughCacheRule(ctx, &sdk.UpdatePullThroughCacheRuleInput{EcrRepositoryPrefix: new("hub"), CredentialArn: new(secret)})
	fails(t, err, "UnableToAccessSecretException", "accessToken")
	if _, err := a.DeletePullThroughCacheRule(ctx, &sdk.DeletePullThroughCacheRuleInput{EcrRepositoryPrefix: new("hub")}); err != nil {
		t.Error(err)
	}
	_, err = a.DescribePullThroughCacheRules(ctx, &sdk.DescribePullThroughCacheRulesInput{EcrRepositoryPrefixes: []string{"hub"}})
	fails(t, err, "PullThroughCacheRuleNotFoundException", "'hub' does not exist")
}
