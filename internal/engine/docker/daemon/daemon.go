// Package daemon connects to a Docker daemon, and tells its errors apart.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
)

// Prefix is what the docker command, and ECS, put before a message of
// the daemon.
const Prefix = "Error response from daemon: "

// Connect returns a client that has spoken with the daemon.
func Connect(ctx context.Context, host string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	cli, err := client.New(opts...)
	if err != nil {
		return nil, fmt.Errorf("docker address %q is wrong: %w", host, err)
	}
	if _, err := cli.Ping(ctx, client.PingOptions{NegotiateAPIVersion: true}); err != nil {
		return nil, errors.Join(
			fmt.Errorf("docker can't be reached at %s; start the Docker daemon or set DOCKER_HOST: %w", cli.DaemonHost(), err),
			cli.Close())
	}
	return cli, nil
}

// Translate puts err into the engine port's words; doing says what failed.
func Translate(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case cerrdefs.IsNotFound(err):
		return fmt.Errorf("%s: %w: %w", doing, engine.ErrNotFound, err)
	case Unavailable(err):
		return fmt.Errorf("%s: %w: %w", doing, engine.ErrUnavailable, err)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// Unavailable reports whether err is not the daemon's answer but the lack of one.
func Unavailable(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	return !strings.Contains(err.Error(), "Error response from daemon:") || cerrdefs.IsUnavailable(err)
}
