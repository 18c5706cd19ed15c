package ecs

import (
	"time"
)

// Now is the time as AWS's JSON has it: milliseconds.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// A machine's clock may be set back. What was written down before is then said
// to happen later, and who waits for so long after it would wait for hours. It
// happened by now: that is what the loops make of it.

// Rewind moves what ecs/run says to have happened after now to now, and returns
// whether there was anything.
func (t *Task) Rewind(now time.Time) bool {
	stamps := []*time.Time{
		&t.ConnectivityAt, &t.PullStartedAt, &t.PullStoppedAt, &t.StartedAt, &t.StoppingAt, &t.ExecutionStopped, &t.StoppedAt,
	}
	for i := range t.Containers {
		stamps = append(stamps, &t.Containers[i].TermAt)
	}
	return rewind(now, stamps...)
}

// Rewind moves what is said to have happened after now to now, and what is to
// wait for longer than most after now to that; it returns whether there was
// anything.
func (r *Rollout) Rewind(now time.Time, most time.Duration) bool {
	past := rewind(now, &r.FailedAt)
	return rewind(now.Add(most), &r.NotBefore) || past
}

// Rewind moves what is said to have happened after now to now.
func (p *Progress) Rewind(now time.Time) { rewind(now, &p.FailedAt) }

// Happened returns when something happened that is said to have happened at at:
// now, where that is yet to come.
func Happened(at, now time.Time) time.Time {
	rewind(now, &at)
	return at
}

// lag is by how much a record may be ahead of who reads it without the clock's
// having been set.
const lag = time.Second

func rewind(now time.Time, stamps ...*time.Time) (changed bool) {
	for _, s := range stamps {
		if s.After(now.Add(lag)) {
			*s, changed = now, true
		}
	}
	return changed
}
