// Package tidy gives the room of images back that nothing runs from any more.
//
// An image stays while a task has it that isn't stopped, or a deployment of a
// service may start tasks of it; all others go an hour after they were last asked
// for, and sooner when the disk fills up. A task that is started later pulls its
// image again.
package tidy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const (
	// every and age are those of the ECS agent: ECS_IMAGE_CLEANUP_INTERVAL and
	// ECS_IMAGE_MINIMUM_CLEANUP_AGE.
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-agent-config.html
	every = 30 * time.Minute
	age   = time.Hour
	// look is how often the disk is asked whether it fills up. Then, an image that
	// was pulled just now is still safe from being removed before its task is made.
	look     = time.Minute
	ageUnder = 10 * time.Minute
)

// images is the one thing that tidy needs of an engine.
type images interface {
	Tidy(ctx context.Context, kept []string, age time.Duration) (removed []string, err error)
}

// Tidier is the loop. Make it with New.
type Tidier struct {
	db     store.DB
	images images
	low    func() bool
	log    *slog.Logger
}

// New returns a Tidier. low says that the disk of the images fills up.
func New(db store.DB, i images, low func() bool, log *slog.Logger) *Tidier {
	return &Tidier{db: db, images: i, low: low, log: log}
}

// Run tidies until ctx ends. With an engine whose images aren't its own, it does
// nothing.
func (t *Tidier) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for last := time.Now(); ; {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		wait := age
		if t.low() {
			wait = ageUnder
		} else if time.Since(last) < every {
			continue
		}
		last = time.Now()
		err := t.Tidy(ctx, wait)
		if errors.Is(err, errors.ErrUnsupported) {
			<-ctx.Done()
			return ctx.Err()
		}
		if err != nil && ctx.Err() == nil {
			t.log.Warn("tidy images", "err", err)
		}
	}
}

// Tidy removes images that nothing runs from and nobody asked for within age.
func (t *Tidier) Tidy(ctx context.Context, age time.Duration) error {
	kept, err := t.kept(ctx)
	if err != nil {
		return fmt.Errorf("find the images that are needed: %w", err)
	}
	removed, err := t.images.Tidy(ctx, kept, age)
	if len(removed) > 0 {
		t.log.Info("images were removed that nothing runs from", "images", removed)
	}
	return err
}

// kept returns the images that tasks run from, or may be started from soon.
func (t *Tidier) kept(ctx context.Context) ([]string, error) {
	users, err := handler.View(ctx, t.db, Users)
	return slices.Sorted(maps.Keys(users)), err
}
