package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/skylift/skylift/internal/limit"
)

// Sockets are where queries come in.
type Sockets struct {
	Packets []*net.UDPConn
	Streams []net.Listener
}

// Close closes all.
func (s Sockets) Close() {
	for _, p := range s.Packets {
		_ = p.Close()
	}
	for _, l := range s.Streams {
		_ = l.Close()
	}
}

// Listen opens sockets at addresses, each for UDP and TCP.
func Listen(ctx context.Context, addrs []netip.AddrPort) (s Sockets, err error) {
	var c net.ListenConfig
	for _, a := range addrs {
		p, err := c.ListenPacket(ctx, "udp", a.String())
		if err != nil {
			s.Close()
			return Sockets{}, fmt.Errorf("listen for DNS at %s: %w", a, err)
		}
		u := p.(*net.UDPConn)
		s.Packets = append(s.Packets, u)
		if a.Port() == 0 { // the same for TCP
			a = netip.AddrPortFrom(a.Addr(), u.LocalAddr().(*net.UDPAddr).AddrPort().Port())
		}
		l, err := c.Listen(ctx, "tcp", a.String())
		if err == nil && a.Addr().IsUnspecified() {
			err = tellDestination(u)
		}
		if l != nil {
			s.Streams = append(s.Streams, l)
		}
		if err != nil {
			s.Close()
			return Sockets{}, fmt.Errorf("listen for DNS at %s: %w", a, err)
		}
	}
	return s, nil
}

// answerer answers one query, by any number of replies.
type answerer func(ctx context.Context, in []byte, from netip.Addr, stream bool, reply func([]byte) error)

// serve answers until ctx ends. Each query over UDP is answered before its reader reads the next.
func (s Sockets) serve(ctx context.Context, conns *limit.Conns, answer answerer, log *slog.Logger) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	defer context.AfterFunc(ctx, s.Close)()
	safe := func(ctx context.Context, in []byte, from netip.Addr, stream bool, reply func([]byte) error) {
		safely(log, func() { answer(ctx, in, from, stream, reply) })
	}
	var all sync.WaitGroup
	for _, p := range s.Packets {
		u := &packets{conn: p, answer: safe}
		for range readers {
			all.Go(func() { stop(u.serve(ctx)) })
		}
	}
	for _, l := range s.Streams {
		all.Go(func() { stop(serveStreams(ctx, conns.Listen(l), safe)) })
	}
	<-ctx.Done()
	s.Close()
	all.Wait()
	return context.Cause(ctx)
}

// safely does what a query asks for. One query must not end the program.
func safely(log *slog.Logger, do func()) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("a DNS query ended in a panic", "err", p, "stack", string(debug.Stack()))
		}
	}()
	do()
}

// readers is how many queries of one UDP socket are read at once.
const readers = 2

// packets answers over UDP.
type packets struct {
	conn   *net.UDPConn
	answer answerer
}

func (u *packets) serve(ctx context.Context) error {
	in, control := make([]byte, dns.MaxMsgSize), make([]byte, controlSize)
	var pause limit.Pause
	for {
		n, c, _, from, err := u.conn.ReadMsgUDPAddrPort(in, control)
		switch {
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			pause.Wait(ctx.Done())
			continue
		}
		pause.Reset()
		back := sourceOf(control[:c])
		reply := func(b []byte) error {
			_, _, err := u.conn.WriteMsgUDPAddrPort(b, back, from)
			return err
		}
		u.answer(ctx, in[:n], from.Addr().Unmap(), false, reply)
	}
}

// How long a connection may be quiet, and take for one message (RFC 7766, 6.2.3).
const (
	idleTimeout  = 10 * time.Second
	readTimeout  = 5 * time.Second
	writeTimeout = 10 * time.Second
)

func serveStreams(ctx context.Context, l *limit.Listener, answer answerer) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		all.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			from := limit.Address(c)
			for {
				in, err := readMessage(l, c)
				if err != nil {
					return
				}
				failed := error(nil)
				answer(ctx, in, from, true, func(b []byte) error {
					failed = errors.Join(failed, writeMessage(c, b))
					return failed
				})
				if failed != nil {
					return
				}
				l.State(c, http.StateIdle)
			}
		})
	}
}

// readMessage reads a message with its length before it.
func readMessage(l *limit.Listener, c net.Conn) ([]byte, error) {
	_ = c.SetReadDeadline(time.Now().Add(idleTimeout))
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	l.State(c, http.StateActive)
	_ = c.SetReadDeadline(time.Now().Add(readTimeout))
	in := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(c, in)
	return in, err
}

func writeMessage(c net.Conn, b []byte) error {
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := c.Write(append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(b)), uint16(len(b))), b...))
	return err
}
