package limit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// serve runs an HTTP server on a bounded listener; /busy answers when the
// test ends.
func serve(t *testing.T, c *Conns, ln net.Listener) (dial func() *client) {
	t.Helper()
	over := make(chan struct{})
	l := c.Listen(ln)
	srv := &http.Server{ConnState: l.State, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/busy" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-over
		}
	})}
	var running sync.WaitGroup
	running.Go(func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		close(over)
		_ = srv.Close()
		running.Wait()
	})
	return func() *client {
		t.Helper()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		return &client{nc, bufio.NewReader(nc)}
	}
}

type client struct {
	net.Conn
	r *bufio.Reader
}

// get returns the status of the answer, 0 when there is none.
func (c *client) get(path string) int {
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0
	}
	return res.StatusCode
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// At its bound a server cuts the longest idle, also one that never asked, and
// never one that is being answered.
func TestListenerCutsIdle(t *testing.T) {
	t.Parallel()
	dial := serve(t, NewConns(Config{Max: 3}), listen(t))
	busy, idle, silent := dial(), dial(), dial()
	if busy.get("/busy") != 200 || idle.get("/") != 200 {
		t.Fatal("not answered")
	}
	if dial().get("/") != 200 { // in place of silent, or of idle where that was noted first
		t.Error("one more isn't answered")
	}
	if dial().get("/") != 200 {
		t.Error("two more aren't answered")
	}
	for name, c := range map[string]*client{"idle": idle, "silent": silent} {
		if _, err := c.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("the %s connection is open: %v", name, err)
		}
	}
	_ = busy.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := busy.r.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the busy connection: %v, want it open", err)
	}
}

// flaky fails to accept a few times, as when descriptors or memory run out.
type flaky struct {
	net.Listener
	mu   sync.Mutex
	errs []error
}

func (f *flaky) fail(errs ...error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, errs...)
}

func (f *flaky) Accept() (net.Conn, error) {
	f.mu.Lock()
	if len(f.errs) > 0 {
		defer f.mu.Unlock()
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	f.mu.Unlock()
	return f.Listener.Accept()
}

func TestListenerSurvives(t *testing.T) {
	t.Parallel()
	ln := &flaky{Listener: listen(t)}
	ln.fail(syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM)
	dial := serve(t, NewConns(Config{Max: math.MaxInt}), ln)
	if got := dial().get("/"); got != 200 {
		t.Errorf("after failures to accept: %d", got)
	}
}

// rests is how many connections are idle.
func rests(c *Conns) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for nc := range c.open {
		if _, ok := nc.Resting(); ok {
			n++
		}
	}
	return n
}

// When descriptors run out before the bound is reached, an idle connection goes
// for the next one.
func TestListenerRelieves(t *testing.T) {
	t.Parallel()
	ln := &flaky{Listener: listen(t)}
	c := NewConns(Config{Name: "x", Max: math.MaxInt})
	dial := serve(t, c, ln)
	idle := dial()
	if idle.get("/") != 200 {
		t.Fatal("not answered")
	}
	for resting := false; !resting; time.Sleep(time.Millisecond) { // net/http notes it after the answer
		resting = rests(c) == 1
	}
	ln.fail(syscall.EMFILE)
	if _, next := dial(), dial(); next.get("/") != 200 { // the first of them ends the Accept that is under way
		t.Error("the next isn't answered")
	}
	if _, err := idle.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the idle connection is open: %v", err)
	}
	if c.Problem() == "" {
		t.Error("nothing is said of it")
	}
}

// An answer that nobody reads is given up, and one that is read slowly isn't.
func TestWriteStalls(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"Write", "ReadFrom"} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			c := &conn{Conn: ours, of: NewConns(Config{Max: 1})}
			defer c.Close()
			sent := make(chan error, 1)
			go func() {
				var err error
				if from == "Write" {
					_, err = c.Write(make([]byte, 4*piece))
				} else {
					_, err = c.ReadFrom(bytes.NewReader(make([]byte, 4*piece)))
				}
				sent <- err
			}()
			for range 3 {
				time.Sleep(stall * 3 / 4)
				if _, err := io.ReadFull(theirs, make([]byte, piece)); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-sent; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: %v, want a timeout", from, err)
			}
		})
	}
}

// What is copied by the kernel arrives whole, of a file and of a part of one.
func TestReadFrom(t *testing.T) {
	t.Parallel()
	want := bytes.Repeat([]byte("0123456789abcde\n"), 3*piece/16)
	want = append(want, "the end"...)
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{-1, int64(len(want)), piece, 2*piece + 5, 0, int64(len(want)) + 9} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		var src io.Reader = f
		expect := want
		if n >= 0 {
			src, expect = &io.LimitedReader{R: f, N: n}, want[:min(n, int64(len(want)))]
		}
		ln := listen(t)
		got := make(chan []byte, 1)
		go func() {
			defer ln.Close()
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(nc)
			got <- b
		}()
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c := &conn{Conn: nc, of: NewConns(Config{Max: 1})}
		m, err := c.ReadFrom(src)
		if e := c.CloseWrite(); err != nil || e != nil || m != int64(len(expect)) {
			t.Errorf("limit %d: %d bytes, %v, %v; want %d", n, m, err, e, len(expect))
		}
		if b := <-got; !bytes.Equal(b, expect) {
			t.Errorf("limit %d: %d bytes arrived, want %d", n, len(b), len(expect))
		}
		if l, ok := src.(*io.LimitedReader); ok && l.N != n-m {
			t.Errorf("limit %d: %d are left to read, want %d", n, l.N, n-m)
		}
		c.Close()
		f.Close()
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if a := Address(ours); a.IsValid() {
		t.Errorf("a pipe is from %s", a)
	}
	ln := listen(t)
	defer ln.Close()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if a := Address(nc); a != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("from %s", a)
	}
}
