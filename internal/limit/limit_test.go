package limit

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
)

func TestOurs(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		syscall.EMFILE: true, syscall.ENFILE: true, syscall.EADDRNOTAVAIL: true, syscall.ENOBUFS: true, syscall.ENOMEM: true, syscall.EAGAIN: true,
		syscall.ECONNREFUSED: false, syscall.EHOSTUNREACH: false, syscall.ECONNRESET: false, syscall.ETIMEDOUT: false, syscall.ENETUNREACH: false,
		context.DeadlineExceeded: false, os.ErrDeadlineExceeded: false, nil: false,
	} {
		wrapped := error(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", err)})
		if err == nil {
			wrapped = nil
		}
		if got := Ours(wrapped); got != want {
			t.Errorf("Ours(%v) = %v, want %v", wrapped, got, want)
		}
		if got := Exhausted(wrapped); got != (want && err != syscall.EADDRNOTAVAIL) { //nolint:errorlint // a key of the table
			t.Errorf("Exhausted(%v) = %v", wrapped, got)
		}
	}
	if !Crowded(fmt.Errorf("open: %w", syscall.EMFILE)) || Crowded(syscall.ENOMEM) {
		t.Error("only descriptors make it crowded")
	}
}

// Whatever the limit, the bounds together leave Skylift its share, and an
// accepted client finds a descriptor for its target.
func TestPlan(t *testing.T) {
	t.Parallel()
	for _, files := range []int{64, 256, 1000, 1024, 4096, 20000, 65536, 524288, 1 << 20, 1 << 30} {
		b := Plan(files)
		// A request to the registry has two files open beside its connection.
		traffic := b.Clients + b.Targets + b.API + 2*b.Blobs + b.Metadata
		if own := files - traffic; own < files/4 || own < min(256, files/2) || b.Checks > own/2 {
			t.Errorf("%d files: %+v leaves %d", files, b, own)
		}
		if b.Targets < b.Clients {
			t.Errorf("%d files: fewer targets than clients: %+v", files, b)
		}
		for _, n := range []int{b.Clients, b.API, b.Blobs, b.Metadata, b.Checks, PerClient(b.Clients), PerTask(b.Clients)} {
			if n < 1 {
				t.Errorf("%d files: a bound is %d: %+v", files, n, b)
			}
		}
		if PerTask(b.Clients) > PerClient(b.Clients) {
			t.Errorf("%d files: a task may have more than a client", files)
		}
	}
	if b, c := Plan(1<<20), Plan(1<<30); b.Clients != 128<<10 || b.Clients != c.Clients {
		t.Errorf("more than memory allows: %+v", b)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	n, err := Files()
	var l syscall.Rlimit
	if e := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); e != nil {
		t.Fatal(e)
	}
	if err != nil || l.Cur != l.Max || n != int(min(l.Max, 1<<30)) {
		t.Errorf("Files() = %d, %v; the limit is %d of %d", n, err, l.Cur, l.Max)
	}
	before, err := Open()
	if err != nil || before < 3 || before > n {
		t.Errorf("Open() = %d, %v", before, err)
	}
}
