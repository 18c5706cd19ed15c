package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/peers"
	"github.com/skylift/skylift/test/bench/proc"
)

// shelf is a registry with a repository that takes layers.
type shelf struct {
	name           string
	base           string // of the repository's addresses
	user, password string
	pid            int // of its process

	push, pull, pushCPU, pullCPU figure.Series
}

// measureRegistry measures how fast a layer is pushed to and pulled from
// Skylift and Debian's docker-registry, by turns. The layer is new in every
// round; what was written is flushed between the measurements.
func measureRegistry(ctx context.Context, b *bench) (figures []figure.Figure, err error) {
	in, err := b.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Down(ctx)) }()
	c := &cloud.Cloud{Instance: in}
	if err := c.Connect(ctx); err != nil {
		return nil, err
	}
	if _, err := c.ECR.CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: new("layers")}); err != nil {
		return nil, err
	}
	own := &shelf{name: "skylift", base: "http://" + in.Listen + "/v2/layers", pid: in.Process.Pid}
	if own.user, own.password, err = c.Login(ctx); err != nil {
		return nil, err
	}
	debian, address, err := peers.Registry(ctx, b.Work)
	if err != nil {
		return nil, err
	}
	defer debian.Stop()
	other := &shelf{name: "docker-registry", base: address + "/v2/layers", pid: debian.Process.Pid}
	layer := make([]byte, b.layer)
	if _, err := rand.Read(layer); err != nil {
		return nil, err
	}
	for i := range b.rounds + 1 {
		for _, s := range []*shelf{own, other} {
			if err := s.round(ctx, layer, uint64(i)); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if i == 0 { // both warm up
				*s = shelf{name: s.name, base: s.base, user: s.user, password: s.password, pid: s.pid}
				continue
			}
			progress("registry: round %d: %s: push %.0f MB/s, pull %.0f MB/s", i, s.name, s.push[i-1], s.pull[i-1])
		}
	}
	what := fmt.Sprintf(" of a %d MB layer", b.layer/1e6)
	return []figure.Figure{
		{Name: "registry: push" + what, Unit: "MB/s", Ours: own.push, Peer: other.name, Theirs: other.push},
		{Name: "registry: pull" + what, Unit: "MB/s", Ours: own.pull, Peer: other.name, Theirs: other.pull},
		{Name: "registry: CPU time of a push", Unit: "ms", Ours: own.pushCPU, Peer: other.name, Theirs: other.pushCPU},
		{Name: "registry: CPU time of a pull", Unit: "ms", Ours: own.pullCPU, Peer: other.name, Theirs: other.pullCPU},
	}, nil
}

// round pushes a layer that the registry doesn't have, and pulls it.
func (s *shelf) round(ctx context.Context, layer []byte, n uint64) error {
	binary.BigEndian.PutUint64(layer, n)
	sum := sha256.Sum256(layer)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	err := s.measure(&s.push, &s.pushCPU, len(layer), func() error { return s.pushLayer(ctx, layer, digest) })
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	err = s.measure(&s.pull, &s.pullCPU, len(layer), func() error { return s.pullLayer(ctx, digest, len(layer)) })
	if err != nil {
		return fmt.Errorf("pull: %w", err)
	}
	return nil
}

// measure notes the MB/s of what moves size bytes, and the CPU time in ms that
// the registry spends on it. What was written before is flushed first.
func (s *shelf) measure(rate, cpu *figure.Series, size int, move func() error) error {
	syscall.Sync()
	before, err := proc.CPUOf(s.pid)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := move(); err != nil {
		return err
	}
	took := time.Since(began)
	after, err := proc.CPUOf(s.pid)
	if err != nil {
		return err
	}
	*rate, *cpu = append(*rate, float64(size)/1e6/took.Seconds()), append(*cpu, ms(after-before))
	return nil
}

// pushLayer sends a layer as the docker command does: POST, one PATCH, PUT.
func (s *shelf) pushLayer(ctx context.Context, layer []byte, digest string) error {
	at, err := s.upload(ctx, http.MethodPost, s.base+"/blobs/uploads/", nil, http.StatusAccepted)
	if err != nil {
		return err
	}
	if at, err = s.upload(ctx, http.MethodPatch, at, layer, http.StatusAccepted); err != nil {
		return err
	}
	u, err := url.Parse(at)
	if err != nil {
		return err
	}
	q := u.Query()
	q.Set("digest", digest)
	u.RawQuery = q.Encode()
	_, err = s.upload(ctx, http.MethodPut, u.String(), nil, http.StatusCreated)
	return err
}

// upload takes one step of an upload and returns where the next one goes.
func (s *shelf) upload(ctx context.Context, method, address string, body []byte, want int) (next string, err error) {
	res, err := s.do(ctx, method, address, body)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	said, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return "", err
	}
	if res.StatusCode != want {
		return "", fmt.Errorf("%s: %s: %s", method, res.Status, said)
	}
	to, err := res.Location()
	if err != nil {
		return "", err
	}
	return to.String(), nil
}

// pullLayer reads a layer in pieces so large that the client is not what
// limits it.
func (s *shelf) pullLayer(ctx context.Context, digest string, size int) error {
	res, err := s.do(ctx, http.MethodGet, s.base+"/blobs/"+digest, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	piece, got := make([]byte, 1<<20), 0
	for err == nil {
		n := 0
		n, err = res.Body.Read(piece)
		got += n
	}
	if errors.Is(err, io.EOF) && res.StatusCode == http.StatusOK && got == size {
		return nil
	}
	return fmt.Errorf("%s with %d of %d bytes: %w", res.Status, got, size, err)
}

func (s *shelf) do(ctx context.Context, method, address string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	return http.DefaultClient.Do(req)
}
