// Package pause has the image that every sandbox runs.
package pause

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/program"
)

// Repository names the pause images of all instances on a host.
const Repository = "skylift/pause"

// Image is the image of every sandbox. No registry has one, so it is
// made here; the same bytes always make the same image, so instances share it
// and may load it at the same time.
type Image struct {
	Ref string
	Tar []byte // what `docker load` takes
}

// New makes the image for a machine as uname or Go names it.
func New(machine string) (Image, error) {
	arch := machine
	switch machine {
	case "x86_64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	pause, err := program.Pause(arch)
	if err != nil {
		return Image{}, err
	}
	layer, err := TarOf(tar.Header{Name: "pause", Mode: 0o555, Size: int64(len(pause))}, pause)
	if err != nil {
		return Image{}, err
	}
	sum := sha256.Sum256(layer)
	image := Image{Ref: Repository + ":" + hex.EncodeToString(sum[:6])}
	image.Tar, err = Archive(image.Ref, arch, "/pause", layer)
	return image, err
}

// Ensure loads the image when the daemon lacks it.
func (p Image) Ensure(ctx context.Context, cli *client.Client) error {
	_, err := cli.ImageInspect(ctx, p.Ref)
	if err == nil || !cerrdefs.IsNotFound(err) {
		return daemon.Translate("look for the pause image", err)
	}
	return p.load(ctx, cli)
}

func (p Image) load(ctx context.Context, cli *client.Client) error {
	answer, err := cli.ImageLoad(ctx, bytes.NewReader(p.Tar), client.ImageLoadWithQuiet(true))
	if err != nil {
		return daemon.Translate("load the pause image", err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return daemon.Translate("load the pause image", err)
	}
	return nil
}

// Archive packs one layer as a Docker image archive.
func Archive(ref, arch, program string, layer []byte) ([]byte, error) {
	sum := sha256.Sum256(layer)
	type object = map[string]any
	config, err := json.Marshal(object{
		"architecture": arch,
		"os":           "linux",
		"created":      time.Unix(0, 0).UTC(),
		"config":       object{"Entrypoint": []string{program}},
		"rootfs":       object{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
		"history":      []object{{"created": time.Unix(0, 0).UTC(), "created_by": "skylift"}},
	})
	if err != nil {
		return nil, fmt.Errorf("describe image: %w", err)
	}
	manifest, err := json.Marshal([]object{{
		"Config": "config.json", "RepoTags": []string{ref}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return nil, fmt.Errorf("describe image: %w", err)
	}
	return TarOf(
		tar.Header{Name: "config.json", Mode: 0o444, Size: int64(len(config))}, config,
		tar.Header{Name: "layer.tar", Mode: 0o444, Size: int64(len(layer))}, layer,
		tar.Header{Name: "manifest.json", Mode: 0o444, Size: int64(len(manifest))}, manifest,
	)
}

// TarOf packs pairs of header and content.
func TarOf(parts ...any) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		header := parts[i].(tar.Header)
		if err := w.WriteHeader(&header); err != nil {
			return nil, fmt.Errorf("pack %s: %w", header.Name, err)
		}
		if _, err := w.Write(parts[i+1].([]byte)); err != nil {
			return nil, fmt.Errorf("pack %s: %w", header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("pack image: %w", err)
	}
	return b.Bytes(), nil
}

// Remove removes the pause images that no container uses.
func Remove(ctx context.Context, cli *client.Client) error {
	images, err := cli.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", Repository)})
	if err != nil {
		return daemon.Translate("list the pause images", err)
	}
	for _, image := range images.Items {
		_, err := cli.ImageRemove(ctx, image.ID, client.ImageRemoveOptions{})
		if err == nil || cerrdefs.IsConflict(err) || cerrdefs.IsNotFound(err) {
			continue
		}
		// Of two who remove it at once, the engine tells one of an image ID that it doesn't know.
		if _, gone := cli.ImageInspect(ctx, image.ID); cerrdefs.IsNotFound(gone) {
			continue
		}
		return daemon.Translate("remove the pause image", err)
	}
	return nil
}
