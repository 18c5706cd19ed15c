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
}

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
	return i, nil
}

// Settle returns the instance of dir as want describes it, made now where
// there is none. What can't change once it was made is an error: the account,
// the region and the VPC's range. An empty account takes the one that is, or a
// new one.
func Settle(dir string, want Instance) (Instance, error) {
	is, err := Load(dir)
	if errors.Is(err, ErrNone) {
		want.ID = id.Hex(12)
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
	want.ID, want.AccountID = is.ID, is.AccountID
	if want == is {
		return is, nil // a full disk is no reason not to start
	}
	return want, write(dir, want)
}

// Discard undoes the first Settle of dir, where nothing came of it.
func Discard(dir string) error { return os.Remove(filepath.Join(dir, file)) }

// write replaces the file whole, or not at all.
func write(dir string, i Instance) error {
	b, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, file+".*")
	if err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write instance: %w", err)
	}
	return os.Rename(f.Name(), filepath.Join(dir, file))
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

// Acquire takes the data directory, made when it isn't there, or returns
// *ErrHeld. The kernel lets go of it when the process ends, however it ends.
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
		err = nil // nobody is told which process it is
	}
	return &Lock{f}, err
}

// Release lets the data directory go; a second time does nothing.
func (l *Lock) Release() { l.f.Close() }
