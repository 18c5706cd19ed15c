// Package metadata answers a task's containers about themselves: the task
// metadata endpoint, versions 4 and 3, the task protection endpoint, and the
// credentials of the task's role.
//
// Who asks is told by the source address of the connection, which must be the
// task's, and by the container's id in the path: whatever isn't of that very
// task is answered as if it didn't exist. Records are read; protection is
// changed through the API. Nothing is measured unless somebody asks.
package metadata

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/limit"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/store"
)

// Address is where tasks ask.
var Address = netip.AddrPortFrom(netip.MustParseAddr(ecs.EndpointHost), 80)

// containers is what metadata asks of the engine.
type containers interface {
	Inspect(ctx context.Context, taskID string) (engine.Status, error)
	Stats(ctx context.Context, taskID string) (engine.Stats, error)
	Storage(ctx context.Context, taskID string) (bytes int64, err error)
}

// network is what metadata asks of EC2.
type network interface {
	// Subnet returns a subnet's range and the id of its VPC.
	Subnet(ctx context.Context, id string) (vpc string, cidr netip.Prefix, err error)
}

// Config is what a Server works with.
type Config struct {
	DB         store.DB
	Engine     containers
	Network    network
	Protection protection
	Roles      roles        // it may be absent: then no task has one
	Conns      *limit.Conns // bounds the connections of Serve; nil: 32 a task
	Log        *slog.Logger
}

// Server answers tasks.
type Server struct {
	Config
	measured *sampler
	routes   *http.ServeMux
}

// New returns a Server.
func New(c Config) *Server {
	s := &Server{Config: c, measured: newSampler(c.Engine), routes: http.NewServeMux()}
	for _, v := range []version{{"V3", http.StatusBadRequest}, {"V4", http.StatusNotFound}} {
		base := "GET /" + strings.ToLower(v.name) + "/{id}"
		s.routes.HandleFunc(base, s.about(v, "container metadata", s.container))
		s.routes.HandleFunc(base+"/task", s.about(v, "task metadata", s.task))
		s.routes.HandleFunc(base+"/taskWithTags", s.about(v, "task metadata", s.taskWithTags))
		s.routes.HandleFunc(base+"/stats", s.about(v, "container stats", s.containerStats))
		s.routes.HandleFunc(base+"/task/stats", s.about(v, "task stats", s.taskStats))
	}
	s.routes.HandleFunc("GET "+role.CredentialsPath+"{id}", s.credentials)
	s.routes.HandleFunc("GET "+role.CredentialsPath+"{$}", s.credentials)
	s.routes.HandleFunc("GET /api/{id}/task-protection/v1/state", s.getProtection)
	s.routes.HandleFunc("PUT /api/{id}/task-protection/v1/state", s.putProtection)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.routes.ServeHTTP(w, r) }

// How long a task may take to ask. How long to read the answer is limit's.
const (
	readTimeout = 10 * time.Second
	idleTimeout = time.Minute
	maxHeader   = 16 << 10
)

// MaxConns is how many connections a task may have at once.
const MaxConns = 32

// Serve answers on ln until ctx ends, and closes ln.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	conns := s.Conns
	if conns == nil {
		conns = limit.NewConns(limit.Config{Max: math.MaxInt, PerTask: MaxConns, Tasks: netip.Addr.Is4, Log: s.Log})
	}
	bounded := conns.Listen(ln)
	srv := &http.Server{
		Handler: s, ConnState: bounded.State, ReadTimeout: readTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { ended <- srv.Close() })
	err := srv.Serve(bounded)
	if stop() { // it ended by itself
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return <-ended
}

// version is a version of the endpoint; they differ in what an unknown id is
// answered with, too.
type version struct {
	name    string
	unknown int
}

// asker is who asks, and what is known of it.
type asker struct {
	v4   bool
	id   string
	task ecs.Task
	def  types.TaskDefinition // as it is overridden
	at   int                  // which of the task's containers
}

// errUnknown says that the caller's task has no container with that id.
var errUnknown = errors.New("unknown")

// find returns who asks.
func (s *Server) find(r *http.Request) (asker, error) {
	a := asker{id: r.PathValue("id")}
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	taskID, _, ok := strings.Cut(a.id, "-")
	if err != nil || !ok {
		return a, errUnknown
	}
	err = s.DB.View(r.Context(), func(tx store.Tx) error {
		tasks, err := ecs.Tasks.By(tx, "id", taskID)
		if err != nil {
			return err
		}
		for _, t := range tasks {
			if t.ENI.Deleted || t.ENI.Addr != from.Addr().Unmap() {
				continue
			}
			for i, c := range t.Containers {
				if t.EndpointID(c) == a.id {
					d, err := ecs.DefinitionByARN(tx, t.TaskDefinition)
					a.task, a.def, a.at = t, definition.Overridden(d.Definition, t.Overrides), i
					return err
				}
			}
		}
		return errUnknown
	})
	return a, err
}

// about answers what f says of who asks, or as the ECS agent does when that
// isn't known.
func (s *Server) about(v version, what string, f func(context.Context, asker) (any, error)) http.HandlerFunc {
	missing := "task arn from request: unable to get task Arn"
	if what == "container metadata" {
		missing = "container ID from request: unable to get docker ID"
	}
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := s.find(r)
		if errors.Is(err, errUnknown) {
			s.answer(w, v.unknown, fmt.Sprintf("%s %s handler: unable to get %s from v3 endpoint ID: %s", v.name, what, missing, a.id))
			return
		}
		a.v4 = v.name == "V4"
		var out any
		if err == nil {
			out, err = f(r.Context(), a)
		}
		if err != nil {
			message := "failed to get " + what
			if e, ok := errors.AsType[said](err); ok {
				message = string(e)
			} else if r.Context().Err() == nil {
				s.Log.Warn("a container can't be told about itself", "task", a.task.ID, "what", what, "err", err)
			}
			s.answer(w, http.StatusInternalServerError, message)
			return
		}
		s.answer(w, http.StatusOK, out)
	}
}

// answer writes v as JSON.
func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		s.Log.Error("answer a container", "err", err)
		status, body = http.StatusInternalServerError, []byte("{}")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the container went away
}

func (s *Server) container(ctx context.Context, a asker) (any, error) {
	v, err := s.look(ctx, a)
	if err != nil {
		return nil, err
	}
	return v.container(a.at), nil
}

func (s *Server) task(ctx context.Context, a asker) (any, error) {
	v, err := s.look(ctx, a)
	if err != nil {
		return nil, err
	}
	if v.v4 {
		v.clock, v.storage = clock(), s.measured.of(a.task.ID).used(ctx)
	}
	return v.describe(), nil
}

func (s *Server) taskWithTags(ctx context.Context, a asker) (any, error) {
	out, err := s.task(ctx, a)
	if t, ok := out.(*Task); ok {
		t.TaskTags = a.task.Tags
	}
	return out, err
}

// look gathers what there is to tell of a task. While the engine is away, the
// records speak alone.
func (s *Server) look(ctx context.Context, a asker) (view, error) {
	v := view{asker: a}
	var err error
	if v.vpc, v.subnet, err = s.Network.Subnet(ctx, a.task.ENI.Subnet); err != nil {
		return v, fmt.Errorf("look up subnet %s: %w", a.task.ENI.Subnet, err)
	}
	if v.is, err = s.measured.of(a.task.ID).status(ctx); err != nil && !errors.Is(err, engine.ErrNotFound) && !errors.Is(err, engine.ErrUnavailable) {
		return v, err
	}
	return v, nil
}

// said is an error that the container is told.
type said string

func (e said) Error() string { return string(e) }

func (s *Server) containerStats(ctx context.Context, a asker) (any, error) {
	p, err := s.measured.of(a.task.ID).stats(ctx)
	if err != nil {
		return nil, err
	}
	if out := p.of(a, a.task.Containers[a.at]); out != nil {
		return out, nil
	}
	return nil, said("Unable to get container stats for: " + a.id) // it doesn't run
}

// taskStats has null for a container that doesn't run.
func (s *Server) taskStats(ctx context.Context, a asker) (any, error) {
	p, err := s.measured.of(a.task.ID).stats(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*Stats{}
	for _, c := range a.task.Containers {
		all[a.task.EndpointID(c)] = p.of(a, c)
	}
	return all, nil
}
