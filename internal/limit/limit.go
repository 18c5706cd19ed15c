// Package limit shares out this process's file descriptors.
//
// Traffic never takes the descriptors that Skylift itself needs. Each kind of
// listener, each client address and each task has a bound, and the bounds add up
// to less than the process may open. At a bound, the connection that has been idle
// longest is cut for a new one. When this machine lacks descriptors, ports or
// memory, a failed connection says nothing about its target: see Ours.
package limit

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Ours tells whether the error of a connection is this machine's own failure: it
// lacks what Exhausted names, or a local address or port. The other end is not to
// blame.
func Ours(err error) bool {
	return Exhausted(err) || errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EADDRINUSE)
}

// Exhausted tells whether err says that this machine lacks descriptors, buffers,
// memory or local ports (EAGAIN of connect(2)).
func Exhausted(err error) bool {
	for _, own := range []syscall.Errno{syscall.ENOBUFS, syscall.ENOMEM, syscall.EAGAIN} {
		if errors.Is(err, own) {
			return true
		}
	}
	return Crowded(err)
}

// Crowded tells whether err says that descriptors ran out. Closing some helps.
func Crowded(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) }

// Budget is how many descriptors may be open for what.
type Budget struct {
	Files    int // all that the process may have open
	Clients  int // connections of clients to load balancers
	Targets  int // connections of load balancers to targets, in use and kept
	API      int // connections to the APIs and the registry
	Blobs    int // requests to the registry at once: each has files open, too
	Metadata int // connections of tasks to the metadata endpoint
	DNS      int // connections to the name server, and as many to the resolver of tasks
	Checks   int // health checks at once, which are Skylift's own
}

// Few is the number of free descriptors below which Skylift soon runs short.
const Few = 4096

// Plan shares out files descriptors. At least a quarter is Skylift's own: the
// store, the engine, netlink, logs and health checks. A client of a load
// balancer needs one connection to a target at a time, so there are as many
// for targets as for clients, and a client that was let in always gets one. No share is
// larger than what one machine has memory for.
func Plan(files int) Budget {
	own := max(files/4, min(256, files/2))
	traffic := files - own
	return Budget{
		Files:    files,
		Clients:  clamp(traffic*3/8, 128<<10),
		Targets:  clamp(traffic*3/8, 128<<10),
		API:      clamp(traffic/8, 8<<10),
		Blobs:    clamp(traffic/32, 1<<10),
		Metadata: clamp(traffic/16, 8<<10),
		DNS:      clamp(traffic/64, 1<<10),
		Checks:   clamp(own/4, 2<<10),
	}
}

func clamp(n, most int) int { return max(1, min(n, most)) }

// PerClient is how many of n connections one address may have: half. Behind one
// there may be many clients, or a proxy.
func PerClient(n int) int { return max(1, n/2) }

// PerTask is how many of n connections one task may have: a sixteenth, from 32
// to 1,024.
func PerTask(n int) int { return min(max(32, min(n/16, 1024)), PerClient(n)) }

// Files raises the soft limit of open files to the hard one and returns it.
func Files() (int, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if l.Cur < l.Max {
		l.Cur = l.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return 0, fmt.Errorf("raise the limit of open files to %d: %w", l.Max, err)
		}
	}
	return int(min(l.Cur, 1<<30)), nil
}

// Open counts this process' open descriptors.
func Open() (int, error) {
	const own = "/proc/self/fd"
	if fi, err := os.Stat(own); err == nil && fi.Size() > 0 { // since Linux 6.2
		return int(fi.Size()), nil
	}
	d, err := os.Open(own)
	if err != nil {
		return 0, fmt.Errorf("count the open files: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return 0, fmt.Errorf("count the open files: %w", err)
	}
	return len(names) - 1, nil // without the descriptor of the directory itself
}
