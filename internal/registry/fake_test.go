package registry

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// fakeRecords keeps the promises of Records in memory.
type fakeRecords struct {
	mu    sync.Mutex
	repos map[string][]Manifest
	fail  error // what Push fails with
}

func (f *fakeRecords) Authenticate(_ context.Context, user, password string) error {
	if user != "AWS" || password != "secret" {
		return Unauthorized("Not Authorized")
	}
	return nil
}

func (f *fakeRecords) Repository(_ context.Context, repo string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.repos[repo]; !ok {
		return NameUnknown("The repository with name '" + repo + "' does not exist in the registry with id '111122223333'")
	}
	return nil
}

func (f *fakeRecords) ForPush(ctx context.Context, repo string) error { return f.Repository(ctx, repo) }

func (f *fakeRecords) Repositories(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for n := range f.repos {
		names = append(names, n)
	}
	slices.Sort(names)
	return names, nil
}

func (f *fakeRecords) Manifests(_ context.Context, repo string) ([]Manifest, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.repos[repo]), nil
}

func (f *fakeRecords) Tags(_ context.Context, repo string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := []string{}
	for _, m := range f.repos[repo] {
		list = append(list, m.Tags...)
	}
	slices.Sort(list)
	return list, nil
}

func (m Manifest) is(ref string) bool { return m.Digest == ref || slices.Contains(m.Tags, ref) }

func (f *fakeRecords) Resolve(ctx context.Context, repo, ref string) (string, error) {
	if err := f.Repository(ctx, repo); err != nil {
		return "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.repos[repo] {
		if m.is(ref) {
			return m.Digest, nil
		}
	}
	return "", ManifestUnknown("Requested image not found")
}

func (f *fakeRecords) Push(_ context.Context, m Manifest) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return f.fail
	}
	list := f.repos[m.Repo]
	for i := range list {
		for _, tag := range m.Tags {
			list[i].Tags = slices.DeleteFunc(slices.Clone(list[i].Tags), func(t string) bool { return t == tag })
		}
	}
	i := slices.IndexFunc(list, func(have Manifest) bool { return have.Digest == m.Digest })
	if i < 0 {
		f.repos[m.Repo] = append(list, m)
		return nil
	}
	list[i].Tags = append(list[i].Tags, m.Tags...)
	return nil
}

func (f *fakeRecords) Delete(_ context.Context, repo, ref string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.repos[repo]
	i := slices.IndexFunc(list, func(m Manifest) bool { return m.is(ref) })
	if i < 0 {
		return ManifestUnknown("Requested image not found")
	}
	if list[i].Digest != ref {
		list[i].Tags = slices.DeleteFunc(slices.Clone(list[i].Tags), func(t string) bool { return t == ref })
		return nil
	}
	f.repos[repo] = slices.Delete(slices.Clone(list), i, i+1)
	return nil
}

// client speaks HTTP to a registry under test.
type client struct {
	t       *testing.T
	url     string
	reg     *Registry
	records *fakeRecords
	root    string
	full    atomic.Bool // the disk nearly is
	ended   chan string // the methods of requests that the server is done with
}

// grace is short but not zero, so that tests decide by touching files.
const grace = time.Minute

func open(t *testing.T, repos ...string) *client {
	t.Helper()
	c := &client{t: t, records: &fakeRecords{repos: map[string][]Manifest{}}, root: t.TempDir(), ended: make(chan string, 1000)}
	for _, r := range repos {
		c.records.repos[r] = nil
	}
	c.start()
	return c
}

// start opens the registry of c's directory, as after a restart.
func (c *client) start() {
	c.t.Helper()
	log := slog.New(slog.DiscardHandler)
	reg, err := New(c.t.Context(), Config{Root: c.root, Records: c.records, Log: log, Grace: grace, Full: c.full.Load})
	if err != nil {
		c.t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reg.ServeHTTP(w, r)
		c.ended <- r.Method
	}))
	c.t.Cleanup(server.Close)
	c.reg, c.url = reg, server.URL
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) code() string {
	var e struct {
		Errors []struct{ Code, Message string }
	}
	if json.Unmarshal(a.body, &e) != nil || len(e.Errors) == 0 {
		return ""
	}
	return e.Errors[0].Code
}

// do sends a request; header is a list of names and values.
func (c *client) do(method, to string, body []byte, header ...string) answer {
	c.t.Helper()
	a, err := c.try(method, to, bytes.NewReader(body), header...)
	if err != nil {
		c.t.Fatal(err)
	}
	return a
}

func (c *client) try(method, to string, body io.Reader, header ...string) (answer, error) {
	if strings.HasPrefix(to, "/") {
		to = c.url + to
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, to, body)
	if err != nil {
		return answer{}, err
	}
	req.SetBasicAuth("AWS", "secret")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, got}, err
}

func (c *client) want(a answer, status int) answer {
	c.t.Helper()
	if a.status != status {
		c.t.Fatalf("got status %d, want %d; body %s", a.status, status, a.body)
	}
	return a
}

// location returns where an upload goes on, with a query added.
func (c *client) location(a answer, query ...string) string {
	c.t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		c.t.Fatal(err)
	}
	if !u.IsAbs() {
		base, err := url.Parse(c.url)
		if err != nil {
			c.t.Fatal(err)
		}
		u = base.ResolveReference(u)
	}
	q := u.Query()
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// blob uploads content and returns its descriptor.
func (c *client) blob(repo string, content []byte) v1.Descriptor {
	c.t.Helper()
	d := digest.FromBytes(content)
	start := c.want(c.do("POST", "/v2/"+repo+"/blobs/uploads/", nil), 202)
	c.want(c.do("PUT", c.location(start, "digest", d.String()), content, "Content-Type", "application/octet-stream"), 201)
	return v1.Descriptor{MediaType: v1.MediaTypeImageLayer, Digest: d, Size: int64(len(content))}
}

// image makes a manifest whose blobs are uploaded.
func (c *client) image(repo string, layer []byte) []byte {
	c.t.Helper()
	config := c.blob(repo, []byte(`{"architecture":"amd64","os":"linux"}`))
	config.MediaType = v1.MediaTypeImageConfig
	m := v1.Manifest{MediaType: v1.MediaTypeImageManifest, Config: config, Layers: []v1.Descriptor{c.blob(repo, layer)}}
	m.SchemaVersion = 2
	return encode(c.t, m)
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (c *client) put(repo, ref string, manifest []byte) answer {
	c.t.Helper()
	return c.do("PUT", "/v2/"+repo+"/manifests/"+ref, manifest, "Content-Type", v1.MediaTypeImageManifest)
}

// push uploads an image with one random layer and tags it.
func (c *client) push(repo, tag string) (manifest []byte, layer digest.Digest) {
	c.t.Helper()
	content := random(4000)
	manifest = c.image(repo, content)
	c.want(c.put(repo, tag, manifest), 201)
	return manifest, digest.FromBytes(content)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

var errStore = errors.New("the store is away")
