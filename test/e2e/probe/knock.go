package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// knock tries each "PROTOCOL ADDRESS:PORT" that stands on a line of the body, all
// at once, and says on a line what came of it: connected, sent (udp, which
// carries the address as text), timeout, or an error. The protocols are tcp, udp,
// icmp and icmp6; of the latter two the port is not looked at.
func knock(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	results := make([]string, len(lines))
	var wg sync.WaitGroup
	for i, line := range lines {
		wg.Go(func() { results[i] = line + ": " + outcome(line, wait(r)) })
	}
	wg.Wait()
	fmt.Fprintln(w, strings.Join(results, "\n"))
}

func outcome(line string, patience time.Duration) string {
	protocol, to, _ := strings.Cut(line, " ")
	var err error
	said := "connected"
	switch protocol {
	case "tcp":
		var c net.Conn
		if c, err = net.DialTimeout("tcp", to, patience); err == nil {
			_ = c.Close()
		}
	case "udp":
		said, err = "sent", tellAddress(to)
	default:
		err = echoed(protocol, to, patience)
	}
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return "timeout"
	}
	if err != nil {
		return err.Error()
	}
	return said
}

func tellAddress(to string) error {
	c, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Write([]byte(to))
	return err
}

// echoed sends an echo request and waits for its reply.
func echoed(protocol, to string, patience time.Duration) error {
	at, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	network, request, reply := "ip4:icmp", []byte{8, 0, 0xf7, 0xf7, 0, 7, 0, 1}, byte(0)
	if protocol == "icmp6" { // the kernel sums it up
		network, request, reply = "ip6:ipv6-icmp", []byte{128, 0, 0, 0, 0, 7, 0, 1}, 129
	}
	c, err := net.ListenPacket(network, "")
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	target := &net.IPAddr{IP: at.Addr().AsSlice(), Zone: at.Addr().Zone()}
	if _, err := c.WriteTo(request, target); err != nil {
		return err
	}
	for b := make([]byte, 128); ; {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		if n >= 8 && b[0] == reply && from.String() == target.String() {
			return nil
		}
	}
}
