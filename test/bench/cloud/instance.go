package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/skylift/skylift/test/bench/proc"
)

// Config is what instances have in common.
type Config struct {
	Skylift string // the program under test
	Work    string // a directory of this run
	CIDR    string // the range of the instances' VPC
	LB      string // the address of their load balancers
}

// Instance is a Skylift with a data directory of its own.
type Instance struct {
	*proc.Program
	config  Config
	Dir     string
	Listen  string
	Took    time.Duration // from the process's start to ready
	cleanup []func(context.Context) error
}

// Start starts Skylift on an empty data directory and waits until it is ready.
func (b Config) Start(ctx context.Context) (*Instance, error) {
	in, err := b.StartAs(ctx, func(dir, listen string) []string {
		return []string{b.Skylift, "serve", "--data-dir", dir, "--listen", listen, "--lb-address", b.LB, "--vpc-cidr", b.CIDR, "--cpu-overcommit", "100", "--log-level", "warn"}
	})
	if in != nil && err != nil {
		err = errors.Join(err, in.Down(ctx))
	}
	return in, err
}

// StartAs starts the program that command names on an empty data directory and
// waits until it is ready. One that doesn't get ready is returned, too.
func (b Config) StartAs(ctx context.Context, command func(dir, listen string) []string) (*Instance, error) {
	dir, err := os.MkdirTemp(b.Work, "data-")
	if err != nil {
		return nil, err
	}
	listen, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	in := &Instance{config: b, Dir: dir, Listen: listen}
	line := command(dir, listen)
	began := time.Now()
	if in.Program, err = proc.Spawn(b.Work, line[0], line[1:]...); err != nil {
		return nil, err
	}
	if err := in.Answers(ctx, "http://"+listen+"/readyz"); err != nil {
		return in, err
	}
	in.Took = time.Since(began)
	return in, nil
}

// Down removes all there is of the instance.
func (in *Instance) Down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Minute)
	defer cancel()
	_, err := proc.Output(ctx, in.config.Skylift, "down", "--purge", "--yes", "--data-dir", in.Dir)
	errs := []error{err}
	for _, c := range in.cleanup {
		errs = append(errs, c(ctx))
	}
	return errors.Join(errs...)
}

// access is what `skylift env` says.
type access struct {
	Endpoint string `json:"AWS_ENDPOINT_URL"`
	ID       string `json:"AWS_ACCESS_KEY_ID"`
	Secret   string `json:"AWS_SECRET_ACCESS_KEY"`
	Region   string `json:"AWS_DEFAULT_REGION"`
}

func (in *Instance) access(ctx context.Context) (a access, err error) {
	out, err := proc.Output(ctx, in.config.Skylift, "env", "--output", "json", "--data-dir", in.Dir)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal([]byte(out), &a)
}
