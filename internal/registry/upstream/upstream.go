// Package upstream reads images of other registries.
//
// What it returns of a manifest or a layer is what its digest says, or an error.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/containerd/containerd/v2/core/remotes"
	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// Why an upstream doesn't give something.
var (
	ErrNotFound    = errors.New("the upstream registry hasn't got it")
	ErrDenied      = errors.New("the upstream registry denies access")
	ErrBusy        = errors.New("the upstream registry takes no more requests for now")
	ErrUnavailable = errors.New("the upstream registry can't be reached")
)

// Source is a repository of another registry, and who asks for it.
type Source struct {
	Registry       url.URL // http or https, and a host
	Repo           string
	User, Password string // "": nobody
}

// MaxManifest is how long a manifest may be, in bytes.
const MaxManifest = 4 << 20

// silence is how long a registry may say nothing.
const silence = 30 * time.Second

// Remote is a repository of another registry. Its tokens live as long as it does.
type Remote struct {
	source     Source
	host       docker.RegistryHost
	authorizer docker.Authorizer
	resolver   remotes.Resolver
}

// Open returns the repository. It asks nobody.
func Open(s Source) *Remote {
	client := &http.Client{Transport: transport}
	options := []docker.AuthorizerOpt{docker.WithAuthClient(client)}
	if s.User != "" || s.Password != "" {
		options = append(options, docker.WithAuthCreds(func(string) (string, string, error) { return s.User, s.Password, nil }))
	}
	r := &Remote{source: s, authorizer: docker.NewDockerAuthorizer(options...)}
	r.host = docker.RegistryHost{
		Client: client, Authorizer: r.authorizer, Host: s.Registry.Host, Scheme: s.Registry.Scheme, Path: "/v2",
		Capabilities: docker.HostCapabilityPull | docker.HostCapabilityResolve,
	}
	r.resolver = docker.NewResolver(docker.ResolverOptions{Hosts: func(string) ([]docker.RegistryHost, error) { return []docker.RegistryHost{r.host}, nil }})
	return r
}

// transport is that of all requests. What a registry is slow to begin to answer is given up.
var transport = &http.Transport{
	Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	ForceAttemptHTTP2: true, MaxIdleConns: 32, MaxConnsPerHost: 16, IdleConnTimeout: 90 * time.Second,
	TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: silence, ExpectContinueTimeout: time.Second,
}

// ref is how the repository's registry calls a tag or a digest.
func (r *Remote) ref(version string) string {
	sep := ":"
	if digest.Digest(version).Validate() == nil {
		sep = "@"
	}
	return r.source.Registry.Host + "/" + r.source.Repo + sep + version
}

// Resolve returns what a tag, or a digest, stands for.
func (r *Remote) Resolve(ctx context.Context, version string) (v1.Descriptor, error) {
	_, d, err := r.resolver.Resolve(ctx, r.ref(version))
	if err != nil {
		return d, reason(fmt.Errorf("resolve %s: %w", r.ref(version), err))
	}
	return d, nil
}

// Manifest reads a manifest.
func (r *Remote) Manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	body, err := r.open(ctx, d, stop)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, MaxManifest+1))
	if err != nil {
		return nil, reason(fmt.Errorf("read manifest %s of %s: %w", d.Digest, r.source.Repo, err))
	}
	if len(content) > MaxManifest || digest.FromBytes(content) != d.Digest {
		return nil, fmt.Errorf("read manifest %s of %s: the upstream registry sends another one", d.Digest, r.source.Repo)
	}
	return content, nil
}

// Blob has take read a blob. Whether it has its digest, take finds out.
func (r *Remote) Blob(ctx context.Context, dgst digest.Digest, take func(io.Reader) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	body, err := r.open(ctx, v1.Descriptor{MediaType: "application/octet-stream", Digest: dgst, Size: -1}, stop) // whoever asks for a layer need not know its size
	if err != nil {
		return err
	}
	defer body.Close()
	if err := take(body); err != nil {
		return reason(fmt.Errorf("fetch %s of %s: %w", dgst, r.source.Repo, err))
	}
	return nil
}

// open begins to read. Stop is called when nothing comes any more.
func (r *Remote) open(ctx context.Context, d v1.Descriptor, stop func()) (io.ReadCloser, error) {
	f, err := r.resolver.Fetcher(ctx, r.ref(d.Digest.String()))
	if err != nil {
		return nil, reason(fmt.Errorf("fetch %s of %s: %w", d.Digest, r.source.Repo, err))
	}
	body, err := f.Fetch(ctx, d)
	if err != nil {
		return nil, reason(fmt.Errorf("fetch %s of %s: %w", d.Digest, r.source.Repo, err))
	}
	return &watched{body, time.AfterFunc(silence, stop)}, nil
}

// watched stops a read that nothing comes of.
type watched struct {
	io.ReadCloser
	silent *time.Timer
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.silent.Reset(silence)
	}
	return n, err
}

// Close implements io.Closer.
func (w *watched) Close() error {
	w.silent.Stop()
	return w.ReadCloser.Close()
}

// Ping asks whether the registry is there and takes the login.
func (r *Remote) Ping(ctx context.Context) error {
	for try := range 2 {
		answer, err := r.base(ctx)
		if err != nil {
			return err
		}
		switch {
		case answer.StatusCode == http.StatusOK:
			return nil
		case answer.StatusCode != http.StatusUnauthorized:
			return fmt.Errorf("ask %s: %w: %s", r.source.Registry.Host, kindOf(answer.StatusCode), answer.Status)
		case try == 0 && r.source.User == "":
			return nil // who may read what shows at a pull
		case try == 0:
			if err := r.authorizer.AddResponses(ctx, []*http.Response{answer}); err != nil {
				return fmt.Errorf("log in to %s: %w: %w", r.source.Registry.Host, ErrDenied, err)
			}
		}
	}
	return fmt.Errorf("log in to %s: %w", r.source.Registry.Host, ErrDenied)
}

// base asks for /v2/.
func (r *Remote) base(ctx context.Context) (*http.Response, error) {
	to := r.source.Registry.JoinPath("/v2/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", r.source.Registry.Host, err)
	}
	if err := r.authorizer.Authorize(ctx, req); err != nil {
		return nil, reason(fmt.Errorf("log in to %s: %w", r.source.Registry.Host, err))
	}
	answer, err := r.host.Client.Do(req)
	if err != nil {
		return nil, reason(fmt.Errorf("ask %s: %w", r.source.Registry.Host, err))
	}
	answer.Body.Close()
	return answer, nil
}

// reason gives an error one of this package's.
func reason(err error) error {
	kind := ErrUnavailable
	status, isStatus := errors.AsType[remoteerrors.ErrUnexpectedStatus](err)
	_, network := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, context.Canceled) && !network:
		return err
	case isStatus:
		kind = kindOf(status.StatusCode)
	case cerrdefs.IsNotFound(err):
		kind = ErrNotFound
	case errors.Is(err, docker.ErrInvalidAuthorization), cerrdefs.IsUnauthorized(err), cerrdefs.IsPermissionDenied(err):
		kind = ErrDenied
	case !network:
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}

func kindOf(status int) error {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrDenied
	case http.StatusNotFound:
		return ErrNotFound
	case http.StatusTooManyRequests:
		return ErrBusy
	}
	return ErrUnavailable
}
