package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// process is a program that the benchmark started.
type process struct {
	*exec.Cmd
	log   string
	ended chan struct{}
}

// spawn starts a program whose output goes to a file.
func (b *bench) spawn(name string, args ...string) (*process, error) {
	p := &process{Cmd: exec.Command(lookPath(name), args...), ended: make(chan struct{})}
	out, err := os.CreateTemp(b.work, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.log, p.Stdout, p.Stderr = out.Name(), out, out
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.Wait() // how it ended is of interest only when it ends too early
		close(p.ended)
	}()
	return p, nil
}

// answers waits until the process answers a GET of url with 200.
func (p *process) answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", filepath.Base(p.Path), lastLines(p.log))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer %s: %s", filepath.Base(p.Path), url, lastLines(p.log))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// stop ends the process: nothing it has is worth a farewell.
func (p *process) stop() {
	_ = p.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.Process.Kill()
		<-p.ended
	}
}

func lastLines(path string) string {
	s := strings.TrimSpace(content(path))
	return s[max(0, len(s)-600):]
}

// instance is a Skylift with a data directory of its own.
type instance struct {
	*process
	b       *bench
	dir     string
	listen  string
	took    time.Duration // from the process's start to ready
	cleanup []func(context.Context) error
}

// start starts Skylift on an empty data directory and waits until it is ready.
func (b *bench) start(ctx context.Context) (*instance, error) {
	in, err := b.startAs(ctx, func(dir, listen string) []string {
		return []string{b.skylift, "serve", "--data-dir", dir, "--listen", listen, "--lb-address", b.lb, "--vpc-cidr", b.cidr, "--cpu-overcommit", "100", "--log-level", "warn"}
	})
	if in != nil && err != nil {
		err = errors.Join(err, in.down(ctx))
	}
	return in, err
}

// startAs starts the program that command names on an empty data directory and
// waits until it is ready. One that doesn't get ready is returned, too.
func (b *bench) startAs(ctx context.Context, command func(dir, listen string) []string) (*instance, error) {
	dir, err := os.MkdirTemp(b.work, "data-")
	if err != nil {
		return nil, err
	}
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	in := &instance{b: b, dir: dir, listen: listen}
	line := command(dir, listen)
	began := time.Now()
	if in.process, err = b.spawn(line[0], line[1:]...); err != nil {
		return nil, err
	}
	if err := in.answers(ctx, "http://"+listen+"/readyz"); err != nil {
		return in, err
	}
	in.took = time.Since(began)
	return in, nil
}

// down removes all there is of the instance.
func (in *instance) down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	_, err := output(ctx, in.b.skylift, "down", "--purge", "--yes", "--data-dir", in.dir)
	errs := []error{err}
	for _, c := range in.cleanup {
		errs = append(errs, c(ctx))
	}
	return errors.Join(errs...)
}

// freeAddress is a loopback address with a port that is free now.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// output runs a program and returns what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, lookPath(name), args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0", "CGO_ENABLED=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// access is what `skylift env` says.
type access struct {
	Endpoint string `json:"AWS_ENDPOINT_URL"`
	ID       string `json:"AWS_ACCESS_KEY_ID"`
	Secret   string `json:"AWS_SECRET_ACCESS_KEY"`
	Region   string `json:"AWS_DEFAULT_REGION"`
}

func (in *instance) access(ctx context.Context) (a access, err error) {
	out, err := output(ctx, in.b.skylift, "env", "--output", "json", "--data-dir", in.dir)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(out), &a)
}
