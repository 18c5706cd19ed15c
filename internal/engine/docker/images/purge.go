package images

import (
	"context"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine/docker/daemon"
	"github.com/skylift/skylift/internal/engine/docker/pause"
)

// Purge removes from the daemon at host what was pulled by digest from a
// registry, named as in references (127.0.0.1:4566). Images that somebody
// tagged, or that a container uses, stay. The pause images go, too.
func Purge(ctx context.Context, host, registry string) error {
	cli, err := daemon.Connect(ctx, host)
	if err != nil {
		return err
	}
	defer cli.Close()
	if err := pause.Remove(ctx, cli); err != nil {
		return err
	}
	images, err := cli.ImageList(ctx, client.ImageListOptions{})
	if err != nil {
		return daemon.Translate("list images", err)
	}
	for _, image := range images.Items {
		for _, ref := range image.RepoDigests {
			if !strings.HasPrefix(ref, registry+"/") {
				continue
			}
			_, err := cli.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
			if err != nil && !cerrdefs.IsConflict(err) && !cerrdefs.IsNotFound(err) {
				return daemon.Translate("remove image "+ref, err)
			}
		}
	}
	return nil
}
