package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/acm"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/efs/volumes"
	elbapi "github.com/skylift/skylift/internal/service/elbv2/api"
	"github.com/skylift/skylift/internal/service/iam"
	"github.com/skylift/skylift/internal/service/kms"
	"github.com/skylift/skylift/internal/service/logs"
	tagging "github.com/skylift/skylift/internal/service/resourcegroupstaggingapi"
	"github.com/skylift/skylift/internal/service/route53/owned"
	"github.com/skylift/skylift/internal/service/s3"
	"github.com/skylift/skylift/internal/service/secretsmanager"
	"github.com/skylift/skylift/internal/service/servicediscovery"
	"github.com/skylift/skylift/internal/service/ssm"
	"github.com/skylift/skylift/internal/service/sts/token"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// service is a service before it is made: what is known of it without a machine.
type service struct {
	make func(*builder, context.Context) (part, error)
	// tables has those that it keeps records in; nil when it keeps none. A table
	// that is given up stays, so that what an older release wrote there isn't taken
	// for a later one's.
	tables func() []store.Schema
	// dirs are its own in the data directory, and go with `skylift down --purge`.
	dirs []string
	// release gives back what it has of the host for a data directory, such as
	// mounts. `skylift down` calls it when nothing of the instance runs, and may
	// do so again.
	release func(dataDir string) error
}

// services are all that there are, in the order in which they need each other.
var services = []service{
	iamService, stsService, kmsService, secretsService, ssmService, ec2Service, acmService, s3Service, elbv2Service, route53Service, discoveryService, ecrService, logsService, efsService, ecsService, taggingService,
}

// part is a service as the daemon has it: all that it brings into the program.
type part struct {
	name       string // that requests to it are signed for
	title      string // of its chapter on the coverage page
	operations []wire.Operation
	// api has the handlers, as methods that are called as their operations are.
	api any
	// term runs in the leader's term, always in each process. They are named for
	// what they do, as "ecs/deploy", in logs too.
	term, always map[string]Runner
	mounts       []gateway.Mount
	tagged       taggable // its resources that can have tags; nil when there are none
	own          owner    // its resources that have policies of their own; nil when there are none, or the gateway has them from elsewhere
}

// apiOf returns the API of that type; the zero T when no service has one.
func apiOf[T any](services []part) (api T) {
	for _, p := range services {
		if is, ok := p.api.(T); ok {
			return is
		}
	}
	return api
}

// taggable is a service whose resources can have tags.
type taggable interface {
	tagging.Source
	knower
}

// builder makes the services one after the other. Each may use those that were
// made before it.
type builder struct {
	m         *machine
	made      []part
	identity  *iam.API
	mint      *token.Mint
	keys      *kms.API
	secrets   *secretsmanager.API
	values    *ssm.API
	certs     *acm.API
	network   *ec2api.API
	lbs       *elbapi.API
	zones     owned.API
	discovery *servicediscovery.API
	images    *ecr.API
	events    *logs.API
	files     *volumes.Volumes
	objects   *s3.API
}

// parts makes every service once.
func parts(ctx context.Context, m *machine) ([]part, error) {
	b := &builder{m: m}
	for _, s := range services {
		p, err := s.make(b, ctx)
		if err != nil {
			return nil, err
		}
		b.made = append(b.made, p)
	}
	return b.made, nil
}

// build makes every part of the program and hands it all it needs.
func build(ctx context.Context, m *machine, key credential.Root, ln net.Listener) (map[string]Runner, error) {
	m.root = key
	made, err := parts(ctx, m)
	if err != nil {
		return nil, err
	}
	term, run := map[string]Runner{}, map[string]Runner{}
	for _, p := range made {
		maps.Copy(term, p.term)
		maps.Copy(run, p.always)
	}
	cfg, err := m.front(made)
	if err != nil {
		return nil, err
	}
	cfg.Conns = m.limits.api
	door := gateway.New(cfg)
	plane := &plane{m: m, keys: certificateKeys(made)}
	maps.Copy(run, map[string]Runner{
		"gateway":       runner(func(ctx context.Context) error { return door.Serve(ctx, ln) }),
		"gateway/tasks": m.forTasks(door),
		"plane":         m.loop("plane", plane, 1, plane.sources()...),
		"network":       m.Network, "balancers": m.lb, "disk": m.disk,
		termName: runner(func(ctx context.Context) error { return m.lead(ctx, term) }),
	})
	return run, nil
}

// front is what the front door knows of the services.
func (m *machine) front(made []part) (gateway.Config, error) {
	who := m.identities(made)
	c := gateway.Config{
		Region: m.ns.Region, Keys: who, Identities: who, Known: m.known(made), Objects: objectsOf(made), Own: ownPolicies(made), Encode: m.encodeDenied, Refused: m.noteRefused,
		Mounts: []gateway.Mount{{Prefix: "/skylift/", Service: "skylift", Handler: m.inside(made)}},
		Ready:  m.isReady, Unavailable: unavailable, Context: operationContext, Log: m.Log,
	}
	for _, p := range made {
		api, err := wire.NewService(p.name, p.operations...)
		if err != nil {
			return c, fmt.Errorf("bind %s: %w", p.name, err)
		}
		c.Services = append(c.Services, api)
		c.Mounts = append(c.Mounts, p.mounts...)
	}
	return c, nil
}

// forTasks has the APIs answer this host's tasks at an address of their own, which no security group must admit.
func (m *machine) forTasks(door *gateway.Gateway) Runner {
	return runner(func(ctx context.Context) error {
		ln, err := m.Network.Listen(ctx, netip.MustParseAddrPort(ecs.EndpointAPI))
		if err != nil {
			return err
		}
		return door.Serve(ctx, ln)
	})
}

// leadRetry is how long after leadership was lost, or could not be sought
// because an external etcd is away, it is sought again.
const leadRetry = time.Second

// termName is what processes on one store lead by turns.
const termName = "term"

// lead runs the parts of the leader's term whenever this process has it. Only
// what fails in the term, or the end of the store, ends it.
func (m *machine) lead(ctx context.Context, term map[string]Runner) error {
	for {
		var failed error
		err := m.db.Lead(ctx, termName, func(ctx context.Context) error {
			failed = together(ctx, term)
			return failed
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case failed != nil && !errors.Is(failed, store.ErrLostLead), errors.Is(err, store.ErrClosed):
			return err
		}
		m.Log.Warn("this process does not lead now", "err", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadRetry):
		}
	}
}

// loop is a control loop over r.
func (m *machine) loop(name string, r reconcile.Reconciler, workers int, sources ...reconcile.Source) *reconcile.Loop {
	return reconcile.New(name, r, reconcile.Options{Workers: workers, Resync: resync, Log: m.Log}, sources...)
}

// resync is how often each loop goes over all its records, though nothing said
// that they changed.
const resync = 2 * time.Minute

// sourced is a reconciler that knows what its keys come from.
type sourced interface {
	reconcile.Reconciler
	Sources() []reconcile.Source
}

// sourced is a control loop over such a one.
func (m *machine) sourced(name string, r sourced) *reconcile.Loop {
	return m.loop(name, r, 4, r.Sources()...)
}

// unavailable says that the disk, or an external etcd, has no room for what a
// call would write, or that it is away.
func unavailable(err error) string {
	for _, reason := range []error{store.ErrFull, store.ErrAway} {
		if errors.Is(err, reason) {
			_, why, _ := strings.Cut(err.Error(), reason.Error()+": ")
			return "Skylift can't write now, and reads only: " + why + "."
		}
	}
	return ""
}

// isReady says why the instance isn't ready yet.
func (m *machine) isReady(context.Context) error {
	if !m.ready.Load() {
		return errors.New("the load balancers are being set up")
	}
	return nil
}
