package containerd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/containerd/containerd/api/types/runc/options"
	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/snapshots"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/containerd/typeurl/v2"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/image"
	"github.com/skylift/skylift/internal/engine/containerd/record"
	"github.com/skylift/skylift/internal/engine/containerd/spec"
	"github.com/skylift/skylift/internal/engine/identity"
)

// The labels of everything that this engine makes, as the Docker engine has them.
const (
	labelInstance  = "skylift.instance"
	labelTask      = "skylift.task"
	labelContainer = "skylift.container"
)

// longestLabel is how long a key and its value may be together in containerd.
const longestLabel = 4096

const runtimeName = "io.containerd.runc.v2"

// Create makes the sandbox and the containers of t.
func (e *Engine) Create(ctx context.Context, t engine.Task) (netns string, err error) {
	if err := errors.Join(ctx.Err(), t.Check()); err != nil {
		return "", err
	}
	if !taskForm.MatchString(t.ID) {
		return "", &engine.StartError{Reason: fmt.Sprintf("task id %q is not of hex digits", t.ID)}
	}
	ctx, cancel := e.change(ctx)
	defer cancel()
	defer e.tasks.Lock(t.ID)()
	if err := e.createSandbox(ctx, t); err != nil {
		return "", startOr("create task "+t.ID, err)
	}
	if err := e.createContainers(ctx, t); err != nil {
		return "", startOr("create task "+t.ID, err)
	}
	e.watchers.tell(t.ID)
	return e.netnsPath(t.ID), nil
}

// startOr leaves a *engine.StartError as it is, and translates others.
func startOr(doing string, err error) error {
	if _, refused := errors.AsType[*engine.StartError](err); refused {
		return err
	}
	return translate(doing, err)
}

// createContainers makes the volumes of t and those of its containers that there
// aren't.
func (e *Engine) createContainers(ctx context.Context, t engine.Task) error {
	m := &maker{Engine: e, task: t, images: map[string]image.Image{}}
	for _, c := range t.Containers {
		img, err := e.images.Get(ctx, c.Image)
		if errors.Is(err, engine.ErrNotFound) {
			return &engine.StartError{Container: c.Name, Reason: err.Error()}
		}
		if err != nil {
			return err
		}
		m.images[c.Name] = img
	}
	if err := m.makeVolumes(ctx); err != nil {
		return err
	}
	errs := make([]error, len(t.Containers))
	var wg sync.WaitGroup
	for i, c := range t.Containers {
		wg.Go(func() { errs[i] = m.makeContainer(ctx, c) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// maker makes the containers of one task.
type maker struct {
	*Engine
	task   engine.Task
	images map[string]image.Image // by container
}

// makeContainer makes a container: its snapshot, then what containerd knows of
// it, then the record, which says that it is there.
func (m *maker) makeContainer(ctx context.Context, c engine.Container) error {
	id := containerID(m.task.ID, c.Name)
	if _, err := m.records.Get(m.task.ID, id); err == nil {
		return nil
	}
	img := m.images[c.Name]
	is, err := m.specOf(ctx, c, id)
	if err != nil {
		return err
	}
	if err := m.snapshot(ctx, img, id); err != nil {
		return fmt.Errorf("make the files of container %s: %w", c.Name, err)
	}
	runc, err := m.keepSecrets(ctx, c, id, is)
	if err != nil {
		return err
	}
	err = m.makeRecord(ctx, containers.Container{
		ID: id, Image: img.Record.Name(), SnapshotKey: id, Snapshotter: image.Snapshotter, Labels: m.labels(c),
	}, is, runc)
	if err != nil {
		if unavailable(err) {
			return err
		}
		return &engine.StartError{Container: c.Name, Reason: err.Error()}
	}
	r := record.Container{Name: c.Name, Terminal: c.PseudoTerminal, Interactive: c.Interactive, Output: c.Output, Shell: img.Config.Shell, Created: time.Now().UTC()}
	if check, ok := c.HealthCheck.Active(); ok {
		r.Check = &check
	}
	if _, _, err := m.output.Prepare(id, outputOf(r)); err != nil {
		return err
	}
	return m.records.Put(m.task.ID, id, r)
}

// keepSecrets keeps the specification of a container that has secrets where they are in memory only, and returns the
// program that has runc read it there; "" for a container without. Its arguments, which everybody sees, are those of the one without the secrets.
func (m *maker) keepSecrets(ctx context.Context, c engine.Container, id string, without *specs.Spec) (runc string, err error) {
	if len(c.Secrets) == 0 {
		return "", nil
	}
	c.Env = slices.Concat(c.Env, c.Secrets)
	whole, err := m.specOf(ctx, c, id)
	if err != nil {
		return "", err
	}
	whole.Process.Args = without.Process.Args
	return m.secrets.Program(), m.secrets.Put(id, whole)
}

// makeRecord has containerd know a container. runc is the program that runs it; "" is containerd's choice.
func (e *Engine) makeRecord(ctx context.Context, c containers.Container, is *specs.Spec, runc string) error {
	text, err := typeurl.MarshalAny(is)
	if err != nil {
		return fmt.Errorf("encode the specification: %w", err)
	}
	how, err := typeurl.MarshalAny(&options.Options{SystemdCgroup: sliced(), BinaryName: runc})
	if err != nil {
		return fmt.Errorf("encode the runtime's options: %w", err)
	}
	c.Spec, c.Runtime = text, containers.RuntimeInfo{Name: runtimeName, Options: how}
	_, err = e.client.ContainerService().Create(ctx, c)
	if cerrdefs.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// snapshot makes the files of a container. They stay until the task is removed:
// they are a root of containerd's collector of garbage.
func (m *maker) snapshot(ctx context.Context, img image.Image, id string) error {
	service := m.client.SnapshotService(image.Snapshotter)
	root := snapshots.WithLabels(map[string]string{"containerd.io/gc.root": time.Now().UTC().Format(time.RFC3339), labelTask: m.task.ID})
	_, err := service.Prepare(ctx, id, img.Chain, root)
	if cerrdefs.IsNotFound(err) {
		if err := m.Engine.images.Unpack(ctx, img); err != nil {
			return err
		}
		_, err = service.Prepare(ctx, id, img.Chain, root)
	}
	if cerrdefs.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// specOf writes the specification of a container.
func (m *maker) specOf(ctx context.Context, c engine.Container, id string) (*specs.Spec, error) {
	img := m.images[c.Name]
	who := c.User
	if who == "" {
		who = img.Config.User
	}
	user, err := m.userOf(ctx, c.Name, who, img)
	if err != nil {
		return nil, err
	}
	of := spec.Container{
		Task: m.task, Container: c, Image: img.Config, User: user,
		NetNS:     m.netnsPath(m.task.ID),
		Cgroup:    m.cgroupPath(m.task.ID, id),
		Shared:    m.cgroups.Usable(),
		Processes: int64(m.cgroups.Pool().OfContainer(m.task, c)),
		Files:     m.filesOf(m.task.ID),
		Volumes:   m.volumesOf(c),
	}
	if m.task.PIDMode != "" {
		of.PIDNS = m.pidnsPath(m.task.ID)
	} else if c.Init {
		of.Init = m.programs.init
	}
	return m.host.Of(of)
}

// userOf finds out who somebody is in a container of an image.
func (e *Engine) userOf(ctx context.Context, container, who string, img image.Image) (specs.User, error) {
	passwd, group, err := e.images.Accounts(ctx, img)
	if err != nil {
		return specs.User{}, err
	}
	is, more, err := identity.Groups(who, passwd, group)
	if refused, ok := errors.AsType[*engine.StartError](err); ok {
		return specs.User{}, &engine.StartError{Container: container, Reason: refused.Reason}
	}
	if err != nil {
		return specs.User{}, err
	}
	return specs.User{UID: uint32(is.UID), GID: uint32(is.GID), AdditionalGids: more}, nil // numbers of 31 bits
}

// Identity returns who a container of an image runs as.
func (e *Engine) Identity(ctx context.Context, ref, who string) (engine.Identity, error) {
	ctx = e.in(ctx)
	img, err := e.images.Get(ctx, ref)
	if err != nil {
		return engine.Identity{}, translate("look into image "+ref, err)
	}
	if who == "" {
		who = img.Config.User
	}
	is, err := identity.Of(who, func() (passwd, group []byte, err error) { return e.images.Accounts(ctx, img) })
	return is, startOr("look into image "+ref, err)
}

// labels returns what marks a container, with labels of its own that containerd
// can hold.
func (m *maker) labels(c engine.Container) map[string]string {
	all := maps.Clone(m.task.Labels)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, c.Labels)
	maps.DeleteFunc(all, func(key, value string) bool {
		if len(key)+len(value) <= longestLabel {
			return false
		}
		m.log.Warn("containerd can't hold a label of this length", "task", m.task.ID, "container", c.Name, "label", key)
		return true
	})
	maps.Copy(all, map[string]string{labelInstance: m.instance, labelTask: m.task.ID, labelContainer: c.Name})
	return all
}

// adopt makes the directories of tasks of which containerd knows a container,
// and somebody lost the directory: they are then found and removed as any other.
func (e *Engine) adopt(ctx context.Context) error {
	list, err := e.client.ContainerService().List(ctx)
	if err != nil {
		return fmt.Errorf("list containers: %w", err)
	}
	for _, c := range list {
		task := taskOf(c.ID)
		if _, err := os.Stat(e.records.Dir(task)); err == nil || !taskForm.MatchString(task) {
			continue
		}
		if err := e.records.Make(task); err != nil {
			return err
		}
	}
	return nil
}
