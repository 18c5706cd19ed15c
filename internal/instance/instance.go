// Package instance keeps what makes a data directory one Skylift instance: its
// id, its account and the places it listens at. One process at a time holds it.
package instance

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/skylift/skylift/internal/atomicfile"
	"github.com/skylift/skylift/internal/id"
)

// Instance is what is kept in the data directory.
type Instance struct {
	ID        string       `json:"id"`        // 12 hex digits; marks all that the instance makes on the host
	AccountID string       `json:"accountId"` // 12 digits
	Region    string       `json:"region"`
	Listen    string       `json:"listen"` // host:port of the APIs
	LBAddress netip.Addr   `json:"lbAddress"`
	VPCCIDR   netip.Prefix `json:"vpcCidr"`
	Engine    Engine       `json:"engine"`
	// Containerd is the address of a containerd that isn't the instance's own; "": it is.
	Containerd string `json:"containerd,omitempty"`
}

// Engine says which engines an instance may have tasks on.
type Engine string

// The engines of an instance.
const (
	NoEngine   Engine = "none" // it has no tasks: it starts on any
	Docker     Engine = "docker"
	Containerd Engine = "containerd"
	Moving     Engine = "docker to containerd" // it has tasks on either, and starts new ones on containerd
)

const (
	file     = "instance.json"
	lockFile = "lock"
	// pidLength is how long the process's number in the lock file is, with blanks.
	pidLength = 20
)

// ErrNone says that a directory holds no instance.
var ErrNone = errors.New("no Skylift data here")

// Load returns the instance of the data directory dir, or ErrNone.
func Load(dir string) (Instance, error) {
	var i Instance
	b, err := os.ReadFile(filepath.Join(dir, file))
	if errors.Is(err, fs.ErrNotExist) {
		return i, fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if err != nil {
		return i, fmt.Errorf("read instance: %w", err)
	}
	if err := json.Unmarshal(b, &i); err != nil {
		return i, fmt.Errorf("read %s: %w", filepath.Join(dir, file), err)
	}
	if i.Engine == "" { // releases that knew no other
		i.Engine = Docker
	}
	return i, nil
}

// Settle returns the instance of dir as want describes it, and makes one if there
// is none. The account, the region and the VPC's range can't change later: another
// value is an error. An empty account means the present one, or a new one. The
// engine stays as it is: see Use.
func Settle(dir string, want Instance) (Instance, error) {
	is, err := Load(dir)
	if errors.Is(err, ErrNone) {
		want.ID, want.Engine = id.Hex(12), NoEngine
		if want.AccountID == "" {
			want.AccountID = strconv.FormatInt(100_000_000_000+rand.Int64N(900_000_000_000), 10)
		}
		return want, write(dir, want)
	}
	if err != nil {
		return is, err
	}
	for _, f := range []struct{ flag, is, want string }{
		{"--account-id", is.AccountID, want.AccountID},
		{"--region", is.Region, want.Region},
		{"--vpc-cidr", is.VPCCIDR.String(), want.VPCCIDR.String()},
	} {
		if f.want != "" && f.want != f.is {
			return is, fmt.Errorf("data directory %s was made with %s %s, which can't change to %s: leave the flag at %s, or use another --data-dir", dir, f.flag, f.is, f.want, f.is)
		}
	}
	want.ID, want.AccountID, want.Engine, want.Containerd = is.ID, is.AccountID, is.Engine, is.Containerd
	return want, change(dir, is, want)
}

// Use has the instance of dir remember which engines it may have tasks on, before
// it has any there, or once it has none; address is that of a containerd that
// isn't its own.
func Use(dir string, e Engine, address string) error {
	is, err := Load(dir)
	if err != nil {
		return err
	}
	want := is
	want.Engine, want.Containerd = e, address
	return change(dir, is, want)
}

// change writes what differs: a full disk is no reason not to start.
func change(dir string, is, want Instance) error {
	if want == is {
		return nil
	}
	return write(dir, want)
}

// Discard undoes the first Settle of dir, after a start that failed.
func Discard(dir string) error { return os.Remove(filepath.Join(dir, file)) }

// write replaces the file whole, or not at all.
func write(dir string, i Instance) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	if err := atomicfile.Write(filepath.Join(dir, file), append(b, '\n')); err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	return nil
}

// Lock is the hold of one process on a data directory.
type Lock struct{ f *os.File }

// ErrHeld says which process holds a data directory.
type ErrHeld struct {
	Dir string
	PID int // 0: not known
}

func (e *ErrHeld) Error() string {
	return fmt.Sprintf("data directory %s is in use by another Skylift (process %d): stop that one, or use another --data-dir", e.Dir, e.PID)
}

// Acquire takes the data directory, and makes it if it is missing. It returns
// *ErrHeld when another process has it. The kernel releases the lock when the
// process ends, however it ends.
func Acquire(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the data directory: %w; choose another with --data-dir", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w; choose another with --data-dir", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		b := make([]byte, pidLength)
		n, _ := f.Read(b)
		pid, _ := strconv.Atoi(strings.TrimSpace(string(b[:n])))
		return nil, &ErrHeld{Dir: dir, PID: pid}
	}
	// The file stays as long as it is, which takes no room on a full disk.
	_, err = f.WriteAt(fmt.Appendf(nil, "%-*d", pidLength, os.Getpid()), 0)
	if errors.Is(err, syscall.ENOSPC) {
		err = nil // the lock holds; only its reader misses the number
	}
	return &Lock{f}, err
}

// Release lets the data directory go; a second time does nothing.
func (l *Lock) Release() { l.f.Close() }
