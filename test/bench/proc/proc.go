// Package proc runs programs and says what they use of the machine.
package proc

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Program is a program that the benchmark started.
type Program struct {
	*exec.Cmd
	log   string
	ended chan struct{}
}

// Spawn starts a program whose output goes to a file in work.
func Spawn(work, name string, args ...string) (*Program, error) {
	p := &Program{Cmd: exec.Command(LookPath(name), args...), ended: make(chan struct{})}
	out, err := os.CreateTemp(work, filepath.Base(name)+"-*.log")
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p.log, p.Stdout, p.Stderr = out.Name(), out, out
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = p.Wait() // its log says why, should it end too early
		close(p.ended)
	}()
	return p, nil
}

// Answers waits until the process answers a GET of url with 200.
func (p *Program) Answers(ctx context.Context, url string) error {
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
			return fmt.Errorf("%s ended: %s", filepath.Base(p.Path), LastLines(p.log))
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer %s: %s", filepath.Base(p.Path), url, LastLines(p.log))
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// Stop ends the process. It gives it five seconds.
func (p *Program) Stop() {
	_ = p.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = p.Process.Kill()
		<-p.ended
	}
}

// LastLines returns the end of a file.
func LastLines(path string) string {
	s := strings.TrimSpace(Content(path))
	return s[max(0, len(s)-600):]
}

// FreeAddress is a loopback address with a port that is free now.
func FreeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Output runs a program and returns what it prints.
func Output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, LookPath(name), args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0", "CGO_ENABLED=0")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// Content is what a file holds, "" when it can't be read.
func Content(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(b)
}

// LookPath finds a program also where only root's PATH looks.
func LookPath(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	return "/usr/sbin/" + name
}

// Pause waits.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
