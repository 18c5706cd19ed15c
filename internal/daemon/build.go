package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ecr"
	"github.com/skylift/skylift/internal/service/efs/volumes"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/logs"
	tagging "github.com/skylift/skylift/internal/service/resourcegroupstaggingapi"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

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
	tagged       tagging.Source // its resources that can have tags; nil when there are none
}

// builder makes the services one after the other. Each may use those that were
// made before it.
type builder struct {
	m       *machine
	made    []part
	network *ec2.API
	lbs     *elbv2.API
	images  *ecr.API
	events  *logs.API
	files   *volumes.Volumes
}

// parts makes every service once. The order is that in which they need each
// other.
func parts(ctx context.Context, m *machine) ([]part, error) {
	b := &builder{m: m}
	for _, add := range []func(context.Context) (part, error){b.sts, b.ec2, b.elbv2, b.ecr, b.logs, b.efs, b.ecs, b.tagging} {
		p, err := add(ctx)
		if err != nil {
			return nil, err
		}
		b.made = append(b.made, p)
	}
	return b.made, nil
}

// build makes every part of the program and hands it all it needs.
func build(ctx context.Context, m *machine, key credential.Root, ln net.Listener) (map[string]Runner, error) {
	services, err := parts(ctx, m)
	if err != nil {
		return nil, err
	}
	term, run := map[string]Runner{}, map[string]Runner{}
	mounts := []gateway.Mount{{Prefix: "/skylift/", Service: "skylift", Handler: m.inside()}}
	var apis []*wire.Service
	for _, p := range services {
		api, err := wire.NewService(p.name, p.operations...)
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", p.name, err)
		}
		apis = append(apis, api)
		mounts = append(mounts, p.mounts...)
		maps.Copy(term, p.term)
		maps.Copy(run, p.always)
	}
	door := gateway.New(gateway.Config{
		Region: m.is.Region, Keys: key, Services: apis, Ready: m.isReady, Unavailable: unavailable, Context: operationContext,
		Conns: m.limits.api, Mounts: mounts, Log: m.Log,
	})
	plane := &plane{m: m}
	maps.Copy(run, map[string]Runner{
		"gateway": runner(func(ctx context.Context) error { return door.Serve(ctx, ln) }),
		"plane":   m.loop("plane", plane, 1, plane.sources()...),
		"network": m.Network, "balancers": m.lb, "disk": m.disk, "room": m.room,
		termName: runner(func(ctx context.Context) error { return m.lead(ctx, term) }),
	})
	return run, nil
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
