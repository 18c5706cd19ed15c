// Package exec runs commands in containers.
package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/convert"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

// callTimeout bounds the end of a command whose caller is gone.
const callTimeout = 2 * time.Minute

// A Runner runs commands in containers of a daemon.
type Runner struct {
	Client *client.Client
	Log    *slog.Logger
}

// Run runs a command in a container, which is named so in errors, until it ends. The daemon can't kill a
// command: when ctx ends, it is killed from here, which needs a daemon of this
// host.
func (r Runner) Run(ctx context.Context, containerID, name string, x engine.Exec) (exitCode int, err error) {
	if len(x.Command) == 0 {
		return 0, &engine.StartError{Container: name, Reason: "there is no command"}
	}
	made, err := r.Client.ExecCreate(ctx, containerID, client.ExecCreateOptions{
		User: x.User, TTY: x.Terminal, AttachStdin: x.Stdin != nil, AttachStdout: true, AttachStderr: !x.Terminal,
		Env: x.Env, WorkingDir: x.WorkingDirectory, Cmd: x.Command,
	})
	if cerrdefs.IsConflict(err) {
		return 0, fmt.Errorf("exec: %w: %w", engine.ErrNotFound, err)
	}
	if err != nil {
		return 0, convert.StartError(name, err)
	}
	stream, err := r.Client.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: x.Terminal})
	if err != nil {
		return 0, convert.StartError(name, err)
	}
	defer stream.Close()
	defer context.AfterFunc(ctx, func() {
		r.kill(context.WithoutCancel(ctx), made.ID)
		stream.Close()
	})()
	said, err := r.talk(ctx, made.ID, stream.HijackedResponse, x)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if err != nil {
		return 0, err
	}
	is, err := r.Client.ExecInspect(ctx, made.ID, client.ExecInspectOptions{})
	if err != nil {
		return 0, daemon.Translate("look at a command in container "+name, err)
	}
	if is.PID == 0 && (is.ExitCode == 126 || is.ExitCode == 127) { // it never ran, and the daemon says why in its output
		return 0, &engine.StartError{Container: name, Reason: strings.TrimSpace(string(said))}
	}
	return is.ExitCode, nil
}

// talk moves a command's streams until its output ends, and returns the beginning
// of that.
func (r Runner) talk(ctx context.Context, id string, stream client.HijackedResponse, x engine.Exec) (said beginning, err error) {
	if x.Stdin != nil {
		go func() { // it may wait in a read of somebody's for ever
			_, _ = io.Copy(stream.Conn, x.Stdin) // the command ended, or whoever writes did
			_ = stream.CloseWrite()
		}()
	}
	talking, stop := context.WithCancel(ctx)
	defer stop()
	if x.Terminal && x.Sizes != nil {
		go r.resize(talking, id, x.Sizes)
	}
	out, diag := to{x.Stdout, &said}, to{x.Stderr, &said}
	if x.Terminal {
		_, err = io.Copy(out, stream.Reader)
	} else {
		_, err = stdcopy.StdCopy(out, diag, stream.Reader)
	}
	return said, err
}

// resize gives a command's terminal its sizes until ctx ends.
func (r Runner) resize(ctx context.Context, id string, sizes <-chan engine.TerminalSize) {
	for {
		select {
		case <-ctx.Done():
			return
		case size, ok := <-sizes:
			if !ok {
				return
			}
			options := client.ExecResizeOptions{Height: uint(size.Rows), Width: uint(size.Columns)}
			_, _ = r.Client.ExecResize(ctx, id, options) // it may have ended
		}
	}
}

// kill kills a command if it runs, on this host.
func (r Runner) kill(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	is, err := r.Client.ExecInspect(ctx, id, client.ExecInspectOptions{})
	if err != nil || !is.Running || is.PID == 0 {
		return
	}
	err = errors.New("the daemon is remote")
	if strings.HasPrefix(r.Client.DaemonHost(), "unix://") {
		err = unix.Kill(is.PID, unix.SIGKILL)
	}
	if err != nil && !errors.Is(err, unix.ESRCH) {
		r.Log.Warn("a command in a container runs on", "container", is.ContainerID, "err", err)
	}
}

// beginning keeps the beginning of what is written to it.
type beginning []byte

func (b *beginning) add(p []byte) { *b = append(*b, p[:min(len(p), 4096-len(*b))]...) }

// to writes to somebody, if there is somebody, and has the beginning kept.
type to struct {
	io.Writer
	said *beginning
}

// Write implements io.Writer.
func (t to) Write(p []byte) (int, error) {
	t.said.add(p)
	if t.Writer == nil {
		return len(p), nil
	}
	return t.Writer.Write(p)
}
