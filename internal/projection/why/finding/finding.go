// Package finding is the form of what `skylift why` tells: what is wrong, how
// that is known, and the call or the change that mends it.
package finding

import (
	"cmp"
	"slices"
	"time"

	"github.com/skylift/skylift/internal/projection/why/snapshot"
)

// Check is one kind of thing that goes wrong, and how it is found. Its texts
// are for the page of all checks.
type Check struct {
	Number int    // on that page
	Name   string // out-of-memory
	Title  string // a heading
	Shows  string // what its user sees
	Known  string // what Skylift looks at
	Mend   string // what to do, in general
	// Find is a pure function. It returns nothing of what is well.
	Find func(*snapshot.Snapshot) []Finding
}

// Level says how much is lost.
type Level int

// The levels, the worst first.
const (
	Down    Level = iota + 1 // what it is about doesn't run, or serves nobody
	Limited                  // a part of it doesn't, or is slow
	Warned                   // it will go wrong
)

// MarshalText implements encoding.TextMarshaler.
func (l Level) MarshalText() ([]byte, error) {
	return []byte(map[Level]string{Down: "down", Limited: "limited", Warned: "warning"}[l]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	*l = map[string]Level{"down": Down, "limited": Limited, "warning": Warned}[string(text)]
	return nil
}

// Finding is one thing that is wrong.
type Finding struct {
	Check string    `json:"check"` // the check's name
	Cause string    `json:"cause"` // one sentence
	Since time.Time `json:"since,omitzero"`
	Level Level     `json:"level"`
	// Possible says that something else would look the same.
	Possible bool       `json:"possible,omitempty"`
	Evidence []Evidence `json:"evidence"`
	Mend     []Mend     `json:"mend"`
	About    []string   `json:"about"` // the keys of what it is about, as snapshot makes them
	// Over says that it is about a task that has ended, so that it is told only as the cause of what is wrong still.
	Over bool `json:"over,omitempty"`
	// Same is equal in findings of a check that have one cause: only the newest is told.
	Same string `json:"-"`
}

// Evidence is one thing that was seen.
type Evidence struct {
	What string `json:"what"` // health check, last output, …
	Says string `json:"says"`
}

// Mend is one way to put it right: a call, or what to change elsewhere.
type Mend struct {
	Say     string `json:"say,omitempty"`
	Call    *Call  `json:"call,omitempty"`
	Command string `json:"command,omitempty"` // the call, for the aws CLI
}

// Do is a mend by a call, with words about it.
func Do(say string, c Call) Mend { return Mend{Say: say, Call: &c, Command: c.Command()} }

// Change is a mend by hand.
func Change(say string) Mend { return Mend{Say: say} }

// Run is a mend by a command that isn't the aws CLI's.
func Run(say, command string) Mend { return Mend{Say: say, Command: command} }

// Sort puts the worst first, and of those the oldest.
func Sort(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), a.Since.Compare(b.Since))
	})
}
