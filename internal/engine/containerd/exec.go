package containerd

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	cerrdefs "github.com/containerd/errdefs"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/skylift/skylift/internal/engine"
)

// execution is a command in a container.
type execution struct {
	engine.Exec
	container string // as its task calls it
	id        string // of the command, in the container
	process   *anypb.Any
	joined    bool // all output comes in order, on Stdout
}

// Exec runs a command in a container until it ends.
func (e *Engine) Exec(ctx context.Context, taskID, name string, x engine.Exec) (exitCode int, err error) {
	id, _, err := e.find(taskID, name)
	if err != nil {
		return 0, fmt.Errorf("exec: %w", err)
	}
	if len(x.Command) == 0 {
		return 0, &engine.StartError{Container: name, Reason: "there is no command"}
	}
	p, err := e.processOf(e.in(ctx), id)
	if err != nil {
		return 0, translate("exec in container "+name, err)
	}
	if !running(p) {
		return 0, fmt.Errorf("exec: container %s doesn't run: %w", name, engine.ErrNotFound)
	}
	process, err := e.processFor(e.in(ctx), id, name, x)
	if err != nil {
		return 0, startOr("exec in container "+name, err)
	}
	return e.execute(ctx, id, execution{Exec: x, container: name, id: "exec-" + randomHex(), process: process, joined: x.Terminal})
}

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// processFor is how a container runs, with what x says in place of its own.
func (e *Engine) processFor(ctx context.Context, id, name string, x engine.Exec) (*anypb.Any, error) {
	c, err := e.client.ContainerService().Get(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("look at container %s: %w", id, err)
	}
	is, whole, err := e.secrets.Get(id)
	if !whole && err == nil {
		err = json.Unmarshal(c.Spec.GetValue(), &is)
	}
	if err != nil || is.Process == nil {
		return nil, fmt.Errorf("read the specification of container %s: %w", id, errors.Join(err))
	}
	p := is.Process
	p.Args, p.Terminal, p.ConsoleSize = x.Command, x.Terminal, nil
	if x.WorkingDirectory != "" {
		p.Cwd = x.WorkingDirectory
	}
	if x.Terminal {
		p.Env = withEnv([]string{"TERM=xterm"}, p.Env) // as Docker has it
	}
	p.Env = withEnv(p.Env, x.Env)
	if x.User != "" {
		img, err := e.images.Get(ctx, c.Image)
		if err != nil {
			return nil, err
		}
		if p.User, err = e.userOf(ctx, name, x.User, img); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode the command for container %s: %w", id, err)
	}
	return &anypb.Any{TypeUrl: "types.containerd.io/opencontainers/runtime-spec/1/Process", Value: text}, nil
}

// withEnv returns variables with others over them.
func withEnv(env, over []string) []string {
	key := func(v string) string { k, _, _ := strings.Cut(v, "="); return k }
	kept := slices.DeleteFunc(slices.Clone(env), func(v string) bool {
		return slices.ContainsFunc(over, func(o string) bool { return key(o) == key(v) })
	})
	return append(kept, over...)
}

// execute runs a command and waits for its end. A process that a kill left under
// its id is removed first.
func (e *Engine) execute(ctx context.Context, id string, x execution) (exitCode int, err error) {
	streams, err := e.openStreams(id, x)
	if err != nil {
		return 0, fmt.Errorf("exec in container %s: %w", x.container, err)
	}
	defer streams.close()
	service := e.client.TaskService()
	whole, cancel := context.WithCancel(e.in(context.WithoutCancel(ctx)))
	defer cancel()
	request := &tasks.ExecProcessRequest{
		ContainerID: id, ExecID: x.id, Terminal: x.Terminal, Spec: x.process,
		Stdin: streams.paths[0], Stdout: streams.paths[1], Stderr: streams.paths[2],
	}
	_, err = service.Exec(whole, request)
	if cerrdefs.IsAlreadyExists(native(err)) {
		e.endExec(whole, id, x.id)
		_, err = service.Exec(whole, request)
	}
	if err != nil {
		return 0, e.startError(whole, id, x.container, err)
	}
	defer e.endExec(whole, id, x.id)
	if _, err := service.Start(whole, &tasks.StartRequest{ContainerID: id, ExecID: x.id}); err != nil {
		return 0, e.startError(whole, id, x.container, err)
	}
	streams.begin(x, func() {
		_, _ = service.CloseIO(whole, &tasks.CloseIORequest{ContainerID: id, ExecID: x.id, Stdin: true}) // it may have ended
	})
	if x.Terminal && x.Sizes != nil {
		go e.resize(whole, id, x)
	}
	ended, err := service.Wait(e.in(ctx), &tasks.WaitRequest{ContainerID: id, ExecID: x.id})
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, translate("wait for the command in container "+x.container, native(err))
	}
	streams.makeRoom(ctx)
	e.endExec(whole, id, x.id) // then all that it said is in the FIFOs
	return int(ended.ExitStatus), streams.wait(ctx)
}

// resize gives a command's terminal its sizes until ctx ends.
func (e *Engine) resize(ctx context.Context, id string, x execution) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-x.Sizes:
			if !ok {
				return
			}
			request := &tasks.ResizePtyRequest{ContainerID: id, ExecID: x.id, Height: uint32(size.Rows), Width: uint32(size.Columns)}
			_, _ = e.client.TaskService().ResizePty(ctx, request) // it may have ended
		}
	}
}

// endExec kills and removes a command, if there is one.
func (e *Engine) endExec(ctx context.Context, id, exec string) {
	ctx, cancel := e.change(ctx)
	defer cancel()
	service := e.client.TaskService()
	request := &tasks.DeleteProcessRequest{ContainerID: id, ExecID: exec}
	_, err := service.DeleteProcess(ctx, request)
	if err == nil || cerrdefs.IsNotFound(native(err)) {
		return
	}
	_, _ = service.Kill(ctx, &tasks.KillRequest{ContainerID: id, ExecID: exec, Signal: uint32(syscall.SIGKILL)}) // it may have ended
	_, _ = service.Wait(ctx, &tasks.WaitRequest{ContainerID: id, ExecID: exec})
	if _, err := service.DeleteProcess(ctx, request); err != nil && !cerrdefs.IsNotFound(native(err)) {
		e.log.Warn("a command in a container stays", "container", id, "exec", exec, "err", native(err))
	}
}

// execsDir has a directory for each command that runs: container/command.
func (e *Engine) execsDir() string { return filepath.Join(e.run, "execs") }

// endExecs ends the commands that run in containers since before this process.
func (e *Engine) endExecs(ctx context.Context) {
	dirs, _ := filepath.Glob(filepath.Join(e.execsDir(), "*", "*")) // the pattern is well formed
	for _, dir := range dirs {
		e.endExec(ctx, filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
	}
	if err := os.RemoveAll(e.execsDir()); err != nil {
		e.log.Warn("the directory of commands stays", "err", err)
	}
}
