package metadata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestServeIsFair: a task that opens too many connections loses the one that it
// hasn't used for longest. What is open at the end is closed.
func TestServeIsFair(t *testing.T) {
	t.Parallel()
	task, d := curl()
	s := server(t, running, d, task)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, ln) }()
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	// answered says whether a connection gets an answer, which is that nobody
	// knows who asks.
	answered := func(c net.Conn) bool {
		fmt.Fprintf(c, "GET /v4/x HTTP/1.1\r\nHost: x\r\n\r\n")
		buf := make([]byte, 512)
		n, err := c.Read(buf)
		if err != nil && !errors.Is(err, io.EOF) && n == 0 {
			return false // reset
		}
		return n > 0 && string(buf[:12]) == fmt.Sprintf("HTTP/1.1 %d", http.StatusNotFound)
	}
	var open []net.Conn
	for i := range MaxConns {
		c := dial()
		open = append(open, c)
		if !answered(c) {
			t.Fatalf("connection %d isn't answered", i)
		}
	}
	if !answered(dial()) {
		t.Error("one more isn't answered")
	}
	if answered(open[0]) {
		t.Error("the oldest of one too many is answered still")
	}
	if !answered(open[1]) {
		t.Error("more than one was closed")
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
	if _, err := io.Copy(io.Discard, open[1]); err != nil {
		t.Errorf("a connection at the end: %v", err)
	}
}
