package docker

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/identity"
)

// Identity returns who a container of an image runs as. Docker finds that out
// at its start, from the image's files; so they are read here in the same way.
func (e *Engine) Identity(ctx context.Context, image, who string) (engine.Identity, error) {
	if who == "" {
		seen, err := e.cli.ImageInspect(ctx, image)
		if err != nil {
			return engine.Identity{}, daemon.Translate("inspect image "+image, err)
		}
		if seen.Config != nil {
			who = seen.Config.User
		}
	}
	return identity.Of(who, func() (passwd, group []byte, err error) { return e.accounts(ctx, image) })
}

// accounts reads /etc/passwd and /etc/group of an image; what it hasn't is empty.
// They are those of a container that is made for that and never started. If it is
// left behind, it is that of a task that nobody knows, which is removed.
func (e *Engine) accounts(ctx context.Context, image string) (passwd, group []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	ctx, cancel := detach(ctx)
	defer cancel()
	var random [16]byte
	_, _ = rand.Read(random[:]) // never fails
	nobody := engine.Task{ID: hex.EncodeToString(random[:])}
	made, err := e.cli.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Entrypoint: []string{"/never"}, Labels: e.labels(nobody, "accounts", nil)},
		HostConfig: &container.HostConfig{NetworkMode: "none"},
	})
	if err != nil {
		return nil, nil, daemon.Translate("look into image "+image, err)
	}
	passwd, errPasswd := e.readFile(ctx, made.ID, "/etc/passwd")
	group, errGroup := e.readFile(ctx, made.ID, "/etc/group")
	// A file of a container that somebody removed meanwhile is missing, too.
	_, errGone := e.cli.ContainerInspect(ctx, made.ID, client.ContainerInspectOptions{})
	if err := errors.Join(errPasswd, errGroup, errGone, removeContainer(ctx, e.cli, made.ID)); err != nil {
		return nil, nil, fmt.Errorf("look into image %s: %w", image, err)
	}
	return passwd, group, nil
}

const (
	// mostAccounts bounds how much of a file of accounts is read.
	mostAccounts = 4 << 20
	// mostLinks is how many symbolic links are followed to it.
	mostLinks = 8
)

// readFile reads a file of a container; one that it hasn't is empty.
func (e *Engine) readFile(ctx context.Context, id, name string) ([]byte, error) {
	for range mostLinks {
		text, link, err := e.readEntry(ctx, id, name)
		if err != nil || link == "" {
			return text, err
		}
		if !path.IsAbs(link) {
			link = path.Join(path.Dir(name), link)
		}
		name = link
	}
	return nil, nil
}

// readEntry reads a file of a container, or where a symbolic link leads.
func (e *Engine) readEntry(ctx context.Context, id, name string) (text []byte, link string, err error) {
	answer, err := e.cli.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: name})
	if cerrdefs.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", daemon.Translate("read "+name, err)
	}
	defer answer.Content.Close()
	archive := tar.NewReader(answer.Content)
	header, err := archive.Next()
	if err != nil {
		return nil, "", daemon.Translate("read "+name, err)
	}
	if header.Typeflag == tar.TypeSymlink {
		return nil, header.Linkname, nil
	}
	text, err = io.ReadAll(io.LimitReader(archive, mostAccounts))
	if err != nil {
		return nil, "", daemon.Translate("read "+name, err)
	}
	return text, "", nil
}
