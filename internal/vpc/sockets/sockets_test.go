package sockets_test

import (
	"net"
	"os"
	"slices"
	"testing"

	"github.com/skylift/skylift/internal/vpc/sockets"
)

// TestIn finds this process's own sockets: one that listens, and both ends of a connection to it.
func TestIn(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace is entered by root only")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	all, err := sockets.In("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	has := func(fits func(sockets.Socket) bool) bool { return slices.ContainsFunc(all, fits) }
	if !has(func(s sockets.Socket) bool { return s.Listens && s.Local.String() == ln.Addr().String() }) {
		t.Errorf("nothing listens on %s: %v", ln.Addr(), all)
	}
	if !has(func(s sockets.Socket) bool {
		return s.Remote.String() == ln.Addr().String() && s.Local.String() == c.LocalAddr().String() && s.RTT > 0 && s.Sent == 1
	}) {
		t.Errorf("no connection from %s to %s: %v", c.LocalAddr(), ln.Addr(), all)
	}
	if _, err := sockets.In("/nowhere"); err == nil {
		t.Error("a namespace that isn't there has sockets")
	}
}
