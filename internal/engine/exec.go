package engine

import "io"

// Exec is a command that runs in a container beside its own.
type Exec struct {
	Command          []string
	Env              []string // "KEY=value", over the container's
	WorkingDirectory string   // "": the container's
	User             string   // in one of Docker's forms; "": the container's

	// Stdin is read until it ends or the command does; a read that waits then is
	// not broken off. nil: the command has none. Stdout and Stderr are written to
	// one at a time each; nil: that output is lost.
	Stdin          io.Reader
	Stdout, Stderr io.Writer

	// Terminal gives the command one, whose output is all on Stdout. Sizes are the
	// sizes that it takes, the first at once; it is not closed before the command
	// ends. nil: none.
	Terminal bool
	Sizes    <-chan TerminalSize
}

// TerminalSize is in characters.
type TerminalSize struct{ Rows, Columns uint16 }
