package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Runner is a part with a life.
type Runner interface {
	Run(ctx context.Context) error
}

// runner makes a Runner of a function.
type runner func(ctx context.Context) error

func (f runner) Run(ctx context.Context) error { return f(ctx) }

// together runs the parts until the first of them returns, for whatever
// reason, ends the rest and waits for them. Its error is the first one's; nil
// when ctx ended.
func together(ctx context.Context, parts map[string]Runner) error {
	outer := ctx
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for name, p := range parts {
		wg.Go(func() {
			err := p.Run(ctx)
			if err == nil {
				err = errors.New("ended")
			}
			stop(fmt.Errorf("%s: %w", name, err))
		})
	}
	wg.Wait()
	if outer.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}
