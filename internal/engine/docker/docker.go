// Package docker runs tasks on a Docker daemon.
//
// A task is a pause container that owns the network namespace, one container per
// definition that joins it, and a Docker volume for each of the task's. Everything
// carries the labels of its Skylift instance and task, and the daemon is the only
// memory: a restarted Skylift finds all of it by label, and a container that the
// daemon made while its answer was lost is adopted, never made twice. Nothing
// without the instance's label is ever changed.
//
// On a daemon of this host the containers of a task share a parent cgroup with the
// task's limits (engine/cgroup). On a remote daemon each container without a limit
// of its own gets the task's.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/moby/moby/api/types/system"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/docker/images"
	"github.com/skylift/skylift/internal/engine/docker/pause"
	"github.com/skylift/skylift/internal/engine/keylock"
	"github.com/skylift/skylift/internal/engine/pull"
)

// The labels of everything that this engine makes. The sandbox is the
// container whose labelContainer is empty.
const (
	labelInstance  = "skylift.instance"
	labelTask      = "skylift.task"
	labelContainer = "skylift.container"
)

// callTimeout bounds a change that was sent to the daemon: it goes on when the
// caller's context ends, so that no lost answer leaves work half done.
const callTimeout = 2 * time.Minute

// Config says which daemon to use, and for whom.
type Config struct {
	Instance string // unique id of this Skylift instance: 12 or more hex digits
	Host     string // the daemon's address, as in DOCKER_HOST; "": the environment's
	Log      *slog.Logger
}

// Engine is an engine.Engine on a Docker daemon.
type Engine struct {
	cli      *client.Client
	instance string
	log      *slog.Logger
	root     string // where the daemon keeps its files, on its host
	pause    pause.Image
	version  string
	cgroups  cgroup.Groups
	tasks    keylock.Locks
	pulls    *pull.Group
}

var _ engine.Engine = (*Engine)(nil)

var instanceForm = regexp.MustCompile(`^[0-9a-f]{12,}$`)

// Open connects to the daemon and makes what tasks need of it. Close the
// engine after use.
func Open(ctx context.Context, c Config) (*Engine, error) {
	if !instanceForm.MatchString(c.Instance) {
		return nil, fmt.Errorf("open docker engine: instance %q is not 12 or more hex digits", c.Instance)
	}
	cli, err := daemon.Connect(ctx, c.Host)
	if err != nil {
		return nil, err
	}
	info, err := cli.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask docker about its host: %w", err), cli.Close())
	}
	e := &Engine{cli: cli, instance: c.Instance, log: c.Log, root: info.Info.DockerRootDir, version: info.Info.ServerVersion}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.pause, err = pause.New(info.Info.Architecture); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	if err := e.pause.Ensure(ctx, cli); err != nil {
		return nil, errors.Join(err, cli.Close())
	}
	e.cgroups = findCgroups(ctx, cli.DaemonHost(), info.Info, c.Instance)
	if !e.cgroups.Usable() {
		e.log.Info("task limits are set on each container", "reason", e.cgroups.Why())
	}
	if err := e.cgroups.Thaw(); err != nil { // who froze the tasks may have been killed
		return nil, errors.Join(err, cli.Close())
	}
	e.pulls = pull.New(images.Source{Client: e.cli})
	return e, nil
}

// findCgroups opens the cgroups of an instance on the daemon's host.
func findCgroups(ctx context.Context, host string, info system.Info, instance string) cgroup.Groups {
	h := cgroup.Host{
		Instance: instance,
		Unified:  info.CgroupVersion == "2",
		Slices:   info.CgroupDriver == "systemd",
		Memory:   info.MemTotal / mebibyte,
	}
	switch {
	case !strings.HasPrefix(host, "unix://"):
		h.Unusable = "the Docker daemon is remote"
	case info.CgroupDriver != "systemd" && info.CgroupDriver != "cgroupfs":
		h.Unusable = "the Docker daemon uses the cgroup driver " + info.CgroupDriver
	}
	return cgroup.Open(ctx, h)
}

// About says for people which engine it is.
func (e *Engine) About() string { return "Docker " + e.version }

// Freeze makes all tasks stand still until thaw is called, or the engine is
// opened again. On a host where that can't be done, it does nothing.
func (e *Engine) Freeze(ctx context.Context) (thaw func() error, err error) {
	return e.cgroups.Freeze(ctx)
}

// Processes returns what a task has of the host's processes.
func (e *Engine) Processes(_ context.Context, taskID string) (engine.ProcessStats, error) {
	return e.cgroups.Processes(taskID)
}

// Close ends running pulls and the connection. Tasks run on.
func (e *Engine) Close() error {
	e.pulls.Close()
	return e.cli.Close()
}

// detach returns a context for a change that goes on when the caller's ends.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
}

// filter selects this instance's containers, and of them those with all the
// given labels ("key=value").
func (e *Engine) filter(labels ...string) client.Filters {
	return instanceFilter(e.instance).Add("label", labels...)
}

func instanceFilter(instance string) client.Filters {
	return make(client.Filters).Add("label", labelInstance+"="+instance)
}

// Pull pulls ref, or joins a running pull of it. A ref with a digest isn't pulled
// again when its image is here.
func (e *Engine) Pull(ctx context.Context, ref string, auth engine.Auth) (digestRef string, err error) {
	return e.pulls.Do(ctx, ref, auth)
}

// Tidy returns errors.ErrUnsupported: the daemon's images are everybody's on this
// host, and it doesn't say which of them were pulled for tasks.
func (e *Engine) Tidy(context.Context, []string, time.Duration) ([]string, error) {
	return nil, fmt.Errorf("tidy images of the Docker daemon: %w", errors.ErrUnsupported)
}
