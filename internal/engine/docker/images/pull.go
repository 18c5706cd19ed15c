// Package images pulls images with the daemon, and removes them.
package images

import (
	"context"
	"fmt"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/daemon"
)

// Source pulls with a daemon.
type Source struct{ Client *client.Client }

// Has reports whether the daemon has an image.
func (s Source) Has(ctx context.Context, digestRef string) (bool, error) {
	_, err := s.Client.ImageInspect(ctx, digestRef)
	if cerrdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, daemon.Translate("look for image "+digestRef, err)
}

// Pull pulls an image and returns its digest reference.
func (s Source) Pull(ctx context.Context, named reference.Named, auth engine.Auth, progress func()) (string, error) {
	login, err := registryAuth(named, auth)
	if err != nil {
		return "", err
	}
	answer, err := s.Client.ImagePull(ctx, named.String(), client.ImagePullOptions{RegistryAuth: login})
	if err != nil {
		return "", pullError(named, err)
	}
	defer answer.Close()
	digest := ""
	for m, err := range answer.JSONMessages(ctx) {
		progress()
		switch {
		case err != nil:
			return "", pullError(named, err)
		case m.Error != nil:
			return "", classify(named.String(), daemon.Prefix+m.Error.Message)
		}
		if d, ok := strings.CutPrefix(m.Status, "Digest: "); ok {
			digest = d
		}
	}
	if digest != "" {
		return named.Name() + "@" + digest, nil
	}
	return s.digestOf(ctx, named)
}

// digestOf asks for the digest of a pulled image.
func (s Source) digestOf(ctx context.Context, named reference.Named) (string, error) {
	image, err := s.Client.ImageInspect(ctx, named.String())
	if err != nil {
		return "", pullError(named, err)
	}
	for _, d := range image.RepoDigests {
		if r, err := reference.ParseNormalizedNamed(d); err == nil && r.Name() == named.Name() {
			return r.String(), nil
		}
	}
	return "", &engine.PullError{Ref: named.String(), Reason: "the registry gave no digest for " + named.String()}
}

// registryAuth encodes a login as the daemon takes it; none is "".
func registryAuth(named reference.Named, auth engine.Auth) (string, error) {
	if auth == (engine.Auth{}) {
		return "", nil
	}
	encoded, err := authconfig.Encode(registry.AuthConfig{
		Username: auth.Username, Password: auth.Password, ServerAddress: reference.Domain(named),
	})
	if err != nil {
		return "", fmt.Errorf("encode login for %s: %w", reference.Domain(named), err)
	}
	return encoded, nil
}

// pullError sorts out why a pull failed. Registries and the daemon tell it in
// the text only.
func pullError(named reference.Named, err error) error {
	text := err.Error()
	if fromDaemon := strings.HasPrefix(text, daemon.Prefix); !fromDaemon {
		return daemon.Translate("pull "+named.String(), err)
	}
	return classify(named.String(), text)
}

// classify reads the daemon's text.
func classify(ref, text string) *engine.PullError {
	says := func(words ...string) bool {
		lower := strings.ToLower(text)
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	p := &engine.PullError{Ref: ref, Reason: text}
	// "pull access denied … repository does not exist or may require 'docker
	// login'" is the daemon's word for a missing repository as well.
	p.Denied = says("denied", "unauthorized", "no basic auth credentials", "authentication required", "403 forbidden")
	p.NotFound = says("manifest unknown", "not found", "repository does not exist", "name unknown")
	return p
}
