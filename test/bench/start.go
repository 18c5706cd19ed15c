package main

import (
	"context"
	"time"
)

// measureStart measures how long an instance with an empty data directory takes
// from the start of its process to the first 200 of /readyz.
func measureStart(ctx context.Context, b *bench) ([]figure, error) {
	f := figure{Name: "start to ready, empty data directory", Unit: "s", AtMost: 1}
	for range b.rounds {
		in, err := b.start(ctx)
		if err != nil {
			return nil, err
		}
		f.Ours = append(f.Ours, in.took.Seconds())
		if err := in.down(ctx); err != nil {
			return nil, err
		}
		// Docker and the kernel finish what they do in the background.
		if err := pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
	return []figure{f}, nil
}
