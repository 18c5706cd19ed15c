// Package containerd runs tasks on a containerd of this host.
//
// A task is a named network namespace, which needs no process, and a container of
// containerd's for each of its own; only a task whose containers share their
// processes has one more, which is their init process. Containers, snapshots and
// images are in a namespace of containerd's that the instance has to itself, and
// are called after their task. What containerd forgets is in the task's directory
// (package record).
//
// Each step finds out whether it was done before, so a call that a kill broke off
// is made again, or undone by Remove. A task's directory is made first and
// removed last. What containerd says is asked anew each time: nothing that this
// process remembers decides what is true of a task.
//
// It is one package of more than 1,500 lines because the steps of a task's life
// share its locks, its names and one client; what has a seam (spec, image, netns,
// record, output, supervise) is a package below.
package containerd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/contrib/apparmor"
	hostapparmor "github.com/containerd/containerd/v2/pkg/apparmor"
	"github.com/containerd/containerd/v2/pkg/cap"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/seccomp"
	cerrdefs "github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/cgroup"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/containerd/output"
	"github.com/skylift/skylift/internal/engine/containerd/record"
	"github.com/skylift/skylift/internal/engine/containerd/secrets"
	"github.com/skylift/skylift/internal/engine/containerd/spec"
	"github.com/skylift/skylift/internal/engine/keylock"
	"github.com/skylift/skylift/internal/engine/program"
)

// callTimeout bounds a change that was begun: it goes on when the caller's
// context ends, so that no lost answer leaves work half done.
const callTimeout = 2 * time.Minute

// Config says which containerd to use, and for whom.
type Config struct {
	Instance string        // unique id of this Skylift instance: 12 or more hex digits
	Address  string        // path of containerd's socket
	Root     string        // where containerd keeps what containers write; "": containerd is asked
	State    string        // containerd's directory of state
	Data     string        // a directory of the engine's own, which lives as long as its tasks
	Run      string        // another, which may go with the machine's power
	Output   *output.Store // where keepers work
	Log      *slog.Logger
}

// Memory is a directory below Run that is in memory.
func (c Config) Memory() string { return filepath.Join(c.Run, "secrets") }

// Engine is an engine.Engine on a containerd. The zero value is not usable; Open
// returns one.
type Engine struct {
	client   *containerd.Client
	instance string
	root     string
	state    string
	run      string
	log      *slog.Logger
	host     spec.Host
	cgroups  cgroup.Groups
	images   *image.Store
	records  *record.Store
	secrets  *secrets.Store
	output   *output.Store
	programs programs
	tasks    keylock.Locks
	watchers watchers
	checks   checks

	stop context.CancelFunc
	wg   sync.WaitGroup
}

var _ engine.Engine = (*Engine)(nil)

// programs are where those are that containers run beside their own.
type programs struct {
	pause string // a directory that is the root of a task's init process
	init  string // a file
}

var instanceForm = regexp.MustCompile(`^[0-9a-f]{12,}$`)

// namespaceOf is the namespace of an instance in containerd.
func namespaceOf(instance string) string { return "skylift-" + instance }

// Open connects to containerd, makes what tasks need of the host, and goes on
// with the health checks of the tasks that there are. Close the engine after use.
func Open(ctx context.Context, c Config) (*Engine, error) {
	if !instanceForm.MatchString(c.Instance) {
		return nil, fmt.Errorf("open containerd engine: instance %q is not 12 or more hex digits", c.Instance)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	client, err := connect(ctx, c.Address, c.Instance)
	if err != nil {
		return nil, err
	}
	e := &Engine{
		client: client, instance: c.Instance, root: c.Root, state: c.State, run: c.Run, log: c.Log, output: c.Output,
	}
	if e.images, err = image.New(ctx, client, c.Log); err != nil {
		return nil, errors.Join(fmt.Errorf("open containerd engine: %w", err), client.Close())
	}
	if err := e.prepare(ctx, c); err != nil {
		e.images.Close()
		return nil, errors.Join(fmt.Errorf("open containerd engine: %w", err), client.Close())
	}
	// The loop's life is the engine's, which Close ends.
	loop, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop = stop
	e.checks.init(loop)
	e.wg.Go(func() { e.follow(loop) })
	return e, nil
}

// connect returns a client that has spoken with containerd.
func connect(ctx context.Context, address, instance string) (*containerd.Client, error) {
	client, err := containerd.New(address, containerd.WithDefaultNamespace(namespaceOf(instance)), containerd.WithTimeout(10*time.Second),
		containerd.WithServices(containerd.WithDiffService(image.NewApplier())))
	if err != nil {
		return nil, fmt.Errorf("containerd can't be reached at %s: %w", address, err)
	}
	if _, err := client.Version(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("containerd can't be reached at %s: %w", address, err), client.Close())
	}
	return client, nil
}

// prepare finds out about the host and makes what is the engine's own on it.
func (e *Engine) prepare(ctx context.Context, c Config) (err error) {
	e.cgroups = cgroup.Open(ctx, cgroup.Host{Instance: c.Instance, Unified: unified(), Slices: sliced(), Memory: hostMemory()})
	if !e.cgroups.Usable() {
		e.log.Info("task limits are set on each container", "reason", e.cgroups.Why())
	}
	if err := e.cgroups.Thaw(); err != nil { // who froze the tasks may have been killed
		return err
	}
	if e.host, err = findHost(); err != nil {
		return err
	}
	if e.root == "" {
		if e.root, err = snapshotsOf(ctx, e.client); err != nil {
			return err
		}
	}
	if e.records, err = record.New(filepath.Join(c.Data, "tasks")); err != nil {
		return err
	}
	if err := os.MkdirAll(c.Run, 0o700); err != nil {
		return fmt.Errorf("make run directory: %w", err)
	}
	if e.programs, err = writePrograms(filepath.Join(c.Data, "programs")); err != nil {
		return err
	}
	if e.secrets, err = secrets.Open(c.Memory(), filepath.Join(c.Data, "programs")); err != nil {
		return err
	}
	e.endExecs(ctx)
	return e.adopt(e.in(ctx))
}

// snapshotsOf returns where a containerd keeps its snapshots.
func snapshotsOf(ctx context.Context, client *containerd.Client) (string, error) {
	is, err := client.IntrospectionService().Plugins(ctx, "id=="+image.Snapshotter)
	if err != nil {
		return "", fmt.Errorf("ask containerd about its plugins: %w", err)
	}
	for _, p := range is.Plugins {
		if root := p.Exports["root"]; root != "" {
			return root, nil
		}
	}
	return "", fmt.Errorf("containerd has no snapshotter %s", image.Snapshotter)
}

// findHost finds out what this kernel has.
func findHost() (spec.Host, error) {
	h := spec.Host{Unified: unified(), Seccomp: seccomp.IsEnabled(), SwapLimit: swapLimit()}
	var err error
	if h.Caps, err = cap.Current(); err != nil {
		return h, fmt.Errorf("find the capabilities of this process: %w", err)
	}
	if hostapparmor.HostSupports() {
		const profile = "skylift-default"
		if err := apparmor.LoadDefaultProfile(profile); err != nil {
			return h, fmt.Errorf("load the AppArmor profile of containers: %w", err)
		}
		h.AppArmor = profile
	}
	return h, nil
}

// unified reports whether the host has cgroup v2 alone.
func unified() bool {
	var s unix.Statfs_t
	return unix.Statfs(cgroup.MountPoint, &s) == nil && s.Type == unix.CGROUP2_SUPER_MAGIC
}

// sliced reports whether cgroups are systemd's to make, as Docker decides it.
func sliced() bool {
	_, err := os.Stat("/run/systemd/system") // sd_booted(3)
	return err == nil && unified()
}

// swapLimit reports whether the kernel limits the swap of a cgroup.
func swapLimit() bool {
	found, _ := filepath.Glob(filepath.Join(cgroup.MountPoint, "*", "memory.swap.max")) // the pattern is well formed
	_, err := os.Stat(filepath.Join(cgroup.MountPoint, "memory", "memory.memsw.limit_in_bytes"))
	return err == nil || len(found) > 0
}

// hostMemory is in MiB.
func hostMemory() int64 {
	var s unix.Sysinfo_t
	if unix.Sysinfo(&s) != nil {
		return 0
	}
	return int64(uint64(s.Totalram)*uint64(s.Unit)) >> 20
}

// writePrograms writes the programs that containers run beside their own. They
// are called by what is in them, so that those that run are never written over.
func writePrograms(dir string) (p programs, err error) {
	pause, err := program.Pause(runtime.GOARCH)
	if err != nil {
		return p, err
	}
	init, err := program.Init(runtime.GOARCH)
	if err != nil {
		return p, err
	}
	named := func(kind string, text []byte) string {
		sum := sha256.Sum256(text)
		return filepath.Join(dir, kind+"-"+hex.EncodeToString(sum[:6]))
	}
	p = programs{pause: named("pause", pause), init: named("init", init)}
	if err := os.MkdirAll(filepath.Join(p.pause, "proc"), 0o755); err != nil {
		return p, fmt.Errorf("make the directory of programs: %w", err)
	}
	for file, text := range map[string][]byte{filepath.Join(p.pause, "pause"): pause, p.init: init} {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if err := record.Replace(file, text, 0o555); err != nil {
			return p, err
		}
	}
	return p, nil
}

// Close ends running pulls, health checks and the connection. Tasks run on.
func (e *Engine) Close() error {
	e.stop()
	e.checks.wait()
	e.wg.Wait()
	e.images.Close()
	return e.client.Close()
}

// Root returns the directory where containerd keeps what containers write.
func (e *Engine) Root() string { return e.root }

// Freeze makes all tasks stand still until thaw is called, or the engine is
// opened again. On a host where that can't be done, it does nothing.
func (e *Engine) Freeze(ctx context.Context) (thaw func() error, err error) {
	return e.cgroups.Freeze(ctx)
}

// Pull makes an image present.
func (e *Engine) Pull(ctx context.Context, ref string, auth engine.Auth) (digestRef string, err error) {
	digestRef, err = e.images.Pull(e.in(ctx), ref, auth)
	if _, refused := errors.AsType[*engine.PullError](err); refused {
		return "", err
	}
	return digestRef, translate("pull "+ref, err)
}

// UseRegistry makes images whose references begin with host ("127.0.0.1:4566")
// come from a registry whose files are on this host, without HTTP.
func (e *Engine) UseRegistry(host string, r image.Registry) { e.images.Use(host, r) }

// Tidy removes pulled images that nobody uses.
func (e *Engine) Tidy(ctx context.Context, kept []string, age time.Duration) (removed []string, err error) {
	removed, err = e.images.Tidy(e.in(ctx), kept, age)
	return removed, translate("tidy images", err)
}

// in returns a context of the instance's namespace.
func (e *Engine) in(ctx context.Context) context.Context {
	return namespaces.WithNamespace(ctx, namespaceOf(e.instance))
}

// change returns a context for a change that goes on when the caller's ends.
func (e *Engine) change(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(e.in(context.WithoutCancel(ctx)), callTimeout)
}

// translate puts err into the engine port's words; doing says what failed.
func translate(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrUnavailable):
		return fmt.Errorf("%s: %w", doing, err)
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", doing, engine.ErrNotFound, err)
	case unavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, engine.ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// unavailable reports whether err is not containerd's answer but the lack of one,
// or that of a shim which was just killed: containerd soon knows what became of it.
func unavailable(err error) bool {
	return strings.Contains(err.Error(), "ttrpc: closed") || cerrdefs.IsUnavailable(err) || cerrdefs.IsDeadlineExceeded(err) || errors.Is(err, context.DeadlineExceeded)
}
