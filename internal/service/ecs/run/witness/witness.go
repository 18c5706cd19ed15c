// Package witness looks at what there is to see of a task that has ended, before its containers are removed.
package witness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
)

// What is kept of each container's output, and of what its health check said.
const (
	keptLines = 20
	keptBytes = 8 << 10
	keptLine  = 1 << 10
)

// Containers returns what is left to see of a task's containers. Output that can't be read is logged and left out: the
// task must be removed all the same. Errors: engine.ErrUnavailable.
func Containers(ctx context.Context, e engine.Engine, state engine.Status, log *slog.Logger) (all []ecs.Remains, err error) {
	for _, c := range state.Containers {
		lines, err := e.Tail(ctx, state.ID, c.Name, keptLines)
		switch {
		case errors.Is(err, engine.ErrUnavailable), ctx.Err() != nil:
			return nil, fmt.Errorf("read the last output of task %s: %w", state.ID, err)
		case err != nil:
			log.Warn("the last output of a container can't be read", "task", state.ID, "container", c.Name, "err", err)
		}
		left := ecs.Remains{Name: c.Name, Lines: excerpt(lines), HealthLog: clip(c.HealthLog, keptBytes), OOM: c.OOMKilled}
		if len(left.Lines) > 0 || left.HealthLog != "" || left.OOM {
			all = append(all, left)
		}
	}
	return all, nil
}

// excerpt returns the last lines that fit what is kept.
func excerpt(lines []engine.Line) []string {
	var out []string
	size := 0
	for i := len(lines) - 1; i >= 0 && size < keptBytes; i-- {
		text := clip(lines[i].Text, min(keptLine, keptBytes-size))
		size += len(text)
		out = append([]string{text}, out...)
	}
	return out
}

// clip cuts text that is longer than n bytes, between characters, and makes it
// text where it is something else.
func clip(text string, n int) string {
	const more = "…"
	if len(text) > n {
		text = text[:max(0, n-len(more))] + more
	}
	return strings.ToValidUTF8(text, "")
}
