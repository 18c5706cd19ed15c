package local

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/skylift/skylift/internal/engine/containerd"
	"github.com/skylift/skylift/internal/engine/containerd/output"
)

// Down removes all tasks of an instance that no process serves, and ends what they
// stood on. Images stay unless purge says that nothing is to be left. It may be
// repeated.
func Down(ctx context.Context, c Config, purge bool) error {
	own, err := c.supervisor()
	if err != nil {
		return err
	}
	// A containerd whose files are all removed isn't asked about them.
	if own == nil || !purge {
		if err := removeTasks(ctx, c, purge); err != nil {
			return err
		}
	}
	if own != nil {
		if err := own.Stop(ctx); err != nil {
			return err
		}
	}
	store, err := output.New(c.dir("output"))
	if err != nil {
		return err
	}
	err = errors.Join(store.Stop(ctx), containerd.Clear(ctx, c.engine(own, store)), os.RemoveAll(c.run()))
	_ = os.Remove(runRoot) // other instances may be in it
	if err != nil {
		return fmt.Errorf("end the engine: %w", err)
	}
	if purge {
		return os.RemoveAll(c.dir(""))
	}
	return nil
}

// removeTasks removes all tasks through the engine.
func removeTasks(ctx context.Context, c Config, images bool) error {
	e, err := Open(ctx, c)
	if err != nil {
		return err
	}
	if images {
		err = e.Purge(ctx)
	} else {
		err = e.RemoveAll(ctx)
	}
	return errors.Join(err, e.Close())
}
