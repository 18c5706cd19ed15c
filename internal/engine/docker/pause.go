package docker

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

	"github.com/skylift/skylift/internal/engine/program"
)

// pauseRepository names the pause images of all instances on a host.
const pauseRepository = "skylift/pause"

// pauseImage is the image of every sandbox. No registry has one, so it is
// made here; the same bytes always make the same image, so instances share it
// and may load it at the same time.
type pauseImage struct {
	ref     string
	archive []byte // what `docker load` takes
}

// newPauseImage makes the image for a machine as uname or Go names it.
func newPauseImage(machine string) (pauseImage, error) {
	arch := machine
	switch machine {
	case "x86_64":
		arch = "amd64"
	case "aarch64":
		arch = "arm64"
	}
	pause, err := program.Pause(arch)
	if err != nil {
		return pauseImage{}, err
	}
	layer, err := tarOf(tar.Header{Name: "pause", Mode: 0o555, Size: int64(len(pause))}, pause)
	if err != nil {
		return pauseImage{}, err
	}
	sum := sha256.Sum256(layer)
	image := pauseImage{ref: pauseRepository + ":" + hex.EncodeToString(sum[:6])}
	image.archive, err = imageArchive(image.ref, arch, "/pause", layer)
	return image, err
}

// ensure loads the image when the daemon lacks it.
func (p pauseImage) ensure(ctx context.Context, cli *client.Client) error {
	_, err := cli.ImageInspect(ctx, p.ref)
	if err == nil || !cerrdefs.IsNotFound(err) {
		return translate("look for the pause image", err)
	}
	return p.load(ctx, cli)
}

func (p pauseImage) load(ctx context.Context, cli *client.Client) error {
	answer, err := cli.ImageLoad(ctx, bytes.NewReader(p.archive), client.ImageLoadWithQuiet(true))
	if err != nil {
		return translate("load the pause image", err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return translate("load the pause image", err)
	}
	return nil
}

// imageArchive packs one layer as a Docker image archive.
func imageArchive(ref, arch, program string, layer []byte) ([]byte, error) {
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
	return tarOf(
		tar.Header{Name: "config.json", Mode: 0o444, Size: int64(len(config))}, config,
		tar.Header{Name: "layer.tar", Mode: 0o444, Size: int64(len(layer))}, layer,
		tar.Header{Name: "manifest.json", Mode: 0o444, Size: int64(len(manifest))}, manifest,
	)
}

// tarOf packs pairs of header and content.
func tarOf(parts ...any) ([]byte, error) {
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
