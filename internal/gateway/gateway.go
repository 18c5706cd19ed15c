// Package gateway is the front door: one handler for the AWS APIs and for
// everything else on the same port.
//
// No handler runs before the caller's signature is verified and policy allows the
// action. An answer has the shape of the caller's protocol, and bears a request
// id. Every call leaves one audit line, which never has a secret or a body.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/caller"
	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/limit"
	"github.com/skylift/skylift/internal/policy"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/authz"
)

const (
	defaultMaxBody     = 16 << 20
	defaultReadTimeout = 30 * time.Second
	strangerTimeout    = 5 * time.Second // to tell the protocol of a call that is refused
	lingerTime         = time.Second
	headerTimeout      = 10 * time.Second
	idleTimeout        = 2 * time.Minute
	grace              = 10 * time.Second

	// globalRegion is what services without regions are signed for.
	globalRegion = "us-east-1"
)

// Keys knows whose access key it is.
type Keys interface {
	// Lookup returns the owner and the secret of an access key. The error is
	// caller.ErrUnknownKey when there is no such key, or the session token does not
	// go with it, caller.ErrBadToken or caller.ErrExpired.
	Lookup(accessKeyID, sessionToken string) (c caller.Caller, secret string, err error)
}

// Config is all a gateway needs.
type Config struct {
	Region     string
	Keys       Keys
	Identities Identities   // what callers may do; absent, root may do all and nobody else anything
	Known      authz.Lookup // what is known of resources; it may be absent
	Objects    Objects      // S3's buckets; absent where there is no S3
	// Encode makes of what a denied call is told in secret, in JSON, a text that only
	// DecodeAuthorizationMessage reads; "" when it can't. It may be absent.
	Encode func(message []byte) string
	// Own returns the policy that a resource other than S3's has of its own, by its ARN,
	// for an action on it; nil when it has none. It may be absent.
	Own func(ctx context.Context, action, resource string) (*policy.Policy, error)
	// Refused is told of each call that policy denied. It may be absent.
	Refused     func(denial.Refusal)
	Services    []*wire.Service
	Mounts      []Mount
	MaxBody     int64         // bytes of an API call's body; 0: 16 MiB
	ReadTimeout time.Duration // in which a body must go on; 0: 30 s
	// Ready says why the instance is not ready yet; nil when it is. It may be
	// absent.
	Ready func(context.Context) error
	// Unavailable says, in a sentence for the caller, that an error means that
	// the call can't be done for now; "" when it doesn't. It may be absent.
	Unavailable func(error) string
	// Context returns the ctx that an operation of a service is done with. It may be
	// absent.
	Context func(ctx context.Context, service, action string) context.Context
	// Conns bounds the connections of Serve; nil: nothing does.
	Conns *limit.Conns
	Log   *slog.Logger
}

// Mount is a handler of its own below a path.
type Mount struct {
	Prefix string // "/v2/"
	// Service is the signing name that requests must be signed for; "" for a mount
	// that has a Door, or whose handler lets callers in by itself.
	Service string
	Door    Door // nil: there is none
	Handler http.Handler
}

// Gateway is the handler. It is safe for concurrent use.
type Gateway struct {
	cfg      Config
	services map[string]*wire.Service // by signing name
}

// New returns a gateway.
func New(cfg Config) *Gateway {
	if cfg.MaxBody == 0 {
		cfg.MaxBody = defaultMaxBody
	}
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = defaultReadTimeout
	}
	if cfg.Identities == nil {
		cfg.Identities = onlyRoot{}
	}
	if cfg.Refused == nil {
		cfg.Refused = func(denial.Refusal) {}
	}
	if cfg.Ready == nil {
		cfg.Ready = func(context.Context) error { return nil }
	}
	if cfg.Conns == nil {
		cfg.Conns = limit.NewConns(limit.Config{Max: math.MaxInt})
	}
	g := &Gateway{cfg: cfg, services: map[string]*wire.Service{}}
	for _, s := range cfg.Services {
		g.services[s.Name()] = s
	}
	return g
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	requestID := id.UUID()
	w.Header().Set("X-Amzn-Requestid", requestID)
	w.Header().Set("X-Amz-Request-Id", requestID)
	in := g.bodyOf(w, r)
	if g.forObjects(r) {
		c := &call{g: g, w: &recorder{ResponseWriter: w}, r: r, in: in, id: requestID, start: time.Now()}
		c.serve()
		return
	}
	switch r.URL.Path {
	case "/livez":
		in.refuse()
		g.probe(w, r, nil)
		return
	case "/readyz":
		in.refuse()
		g.probe(w, r, g.cfg.Ready(r.Context()))
		return
	}
	m := g.mount(r.URL.Path)
	c := &call{g: g, w: &recorder{ResponseWriter: w}, r: r, in: in, id: requestID, start: time.Now(), mount: m}
	switch {
	case m != nil && m.Door != nil:
		c.w.ResponseWriter = in.guard(w)
		c.serveDoor()
	case m != nil && m.Service == "":
		m.Handler.ServeHTTP(in.guard(w), r)
	default:
		c.serve()
	}
}

func (g *Gateway) mount(path string) *Mount {
	for i, m := range g.cfg.Mounts {
		if strings.HasPrefix(path, m.Prefix) || path+"/" == m.Prefix {
			return &g.cfg.Mounts[i]
		}
	}
	return nil
}

// probe answers /livez and /readyz in plain text.
func (g *Gateway) probe(w http.ResponseWriter, r *http.Request, reason error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
	case reason != nil:
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "not ready: %v\n", reason)
	default:
		fmt.Fprintln(w, "ok")
	}
}

// Serve answers on ln until ctx ends. Requests that are under way then get time
// to finish. It closes ln.
func (g *Gateway) Serve(ctx context.Context, ln net.Listener) error {
	bounded := g.cfg.Conns.Listen(ln)
	srv := &http.Server{
		Handler: g,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), servingKey{}, ctx)
		},
		ConnState:         bounded.State,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          slog.NewLogLogger(g.cfg.Log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ended <- shutdown(context.WithoutCancel(ctx), srv)
	})
	err := srv.Serve(bounded)
	if stop() { // it ended by itself
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return <-ended
}

// servingKey finds Serve's ctx in the ctx of a request. When Serve's ctx ends, requests still get time to finish, except answers that would last for
// hours.
type servingKey struct{}

// lasting returns ctx, of a request whose answer lasts, so that it ends with Serve's.
func lasting(ctx context.Context) (context.Context, func()) {
	serving, ok := ctx.Value(servingKey{}).(context.Context)
	if !ok {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(serving, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

func shutdown(ctx context.Context, srv *http.Server) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	err := srv.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return srv.Close()
	}
	return err
}
