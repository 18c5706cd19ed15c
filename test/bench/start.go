package main

import (
	"context"
	"time"

	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/proc"
)

// measureStart measures how long an instance with an empty data directory takes
// from the start of its process to the first 200 of /readyz.
func measureStart(ctx context.Context, b *bench) ([]figure.Figure, error) {
	f := figure.Figure{Name: "start to ready, empty data directory", Unit: "s", AtMost: 1}
	for range b.rounds {
		in, err := b.Start(ctx)
		if err != nil {
			return nil, err
		}
		f.Ours = append(f.Ours, in.Took.Seconds())
		if err := in.Down(ctx); err != nil {
			return nil, err
		}
		// Docker and the kernel finish what they do in the background.
		if err := proc.Pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	return []figure.Figure{f}, nil
}
