package containerd

import (
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/enginetest"
)

// A line of 100 MB comes in pieces that each fit an event, none of it lost.
func TestHugeLine(t *testing.T) {
	t.Parallel()
	const n = 100 << 20
	for _, mode := range []engine.OutputMode{engine.OutputRolls, engine.OutputBlocks} {
		e := openEngine(t)
		task := enginetest.AppTask(containerdHost(t).app, "long", itoa(n))
		task.Containers[0].Output = engine.Output{Mode: mode, Buffer: 256 << 20}
		lines, status := enginetest.RunTask(t, e, task)
		last := len(lines) - 1
		if status.ExitCode != 0 || last < 1 || lines[last] != "tail" {
			t.Fatalf("%d lines, container %+v", len(lines), status)
		}
		size := 0
		for i, l := range lines[:last] {
			if size += len(l); strings.Trim(l, "x") != "" || i < last-1 && len(l) != engine.MaxLine {
				t.Fatalf("piece %d has %d bytes", i, len(l))
			}
		}
		if size != n {
			t.Errorf("%d bytes of %d", size, n)
		}
	}
}
