// Package disk watches the room of the disk that the data directory is on, and
// says which writers it is too full for.
//
// They stop in an order, long before there is no room at all: what waits well
// first, what must be written last.
package disk

import "fmt"

// Level says who may still write. Each one stops more than that before it.
type Level int

// The levels, in the order in which they are reached.
const (
	Roomy    Level = iota
	Low            // nobody is stopped; who writes is measured more often
	NoLogs         // the output of containers isn't stored, and waits in the engine
	NoPushes       // images aren't taken
	NoGreed        // the tasks that write most are stopped, one by one
	Full           // records are written only where that stops something or gives room back
)

const mib = 1 << 20

// fullAt is the room in bytes that ordinary records are not written without.
const fullAt = 32 * mib

// step is how far levels are apart on a disk of that many bytes: a 64th of it,
// within bounds.
func step(total int64) int64 { return min(max(total/64, 16*mib), 128*mib) }

// Below returns how little room, in bytes, a disk of that many bytes has at a
// level.
func (l Level) Below(total int64) int64 {
	if l == Roomy {
		return total
	}
	return fullAt + int64(Full-l)*step(total)
}

// LevelAt returns the level of a disk. One that it was at is left only when
// there is some room more, so that writers aren't stopped and let go in turn.
func LevelAt(free, total int64, was Level) Level {
	for l := Full; l > Roomy; l-- {
		limit := l.Below(total)
		if l <= was {
			limit += step(total) / 2
		}
		if free < limit {
			return l
		}
	}
	return Roomy
}

// what says what is stopped at a level.
func (l Level) what() string {
	switch l {
	case Low:
		return "nothing is stopped yet"
	case NoLogs:
		return "log events are not stored; the output of containers waits in the container engine"
	case NoPushes:
		return "log events are not stored, and pushes of images are refused"
	case NoGreed:
		return "log events and pushes are refused, and the tasks that write most are stopped"
	case Full:
		return "only what stops or deletes something is written"
	}
	return ""
}

// sentence tells people of a level.
func (l Level) sentence(dir string, free int64) string {
	full := "nearly full"
	if l == Full {
		full = "full: free some space"
	}
	return fmt.Sprintf("the disk of %s is %s: %d MB are left; %s", dir, full, max(free, 0)/mib, l.what())
}
