// Package disk watches how much space is left on the disk of the data directory,
// and says which writers must stop.
//
// Writers stop one kind after the other, long before the disk is full: those that
// can wait stop first, and records stop last.
package disk

import "fmt"

// Level says who may still write. Each level stops more writers than the level
// before it.
type Level int

// The levels, in the order in which they are reached.
const (
	Roomy    Level = iota
	Low            // nobody is stopped; what tasks write is measured more often
	NoLogs         // the output of containers isn't stored, and waits in the engine
	NoPushes       // pushed images are refused
	NoGreed        // the tasks that write most are stopped, one by one
	Full           // only records that stop something or free space are written
)

const mib = 1 << 20

// fullAt is how many free bytes ordinary records need.
const fullAt = 32 * mib

// step is the distance between two levels on a disk of that many bytes: a 64th of
// the disk, within bounds.
func step(total int64) int64 { return min(max(total/64, 16*mib), 128*mib) }

// Below returns the free bytes below which a disk of that many bytes reaches a
// level.
func (l Level) Below(total int64) int64 {
	if l == Roomy {
		return total
	}
	return fullAt + int64(Full-l)*step(total)
}

// LevelAt returns the level of a disk. A disk leaves a level only when it has
// somewhat more space than where it reached it, so that writers don't stop and
// start again and again.
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
