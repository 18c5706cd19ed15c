package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/limit"
)

// bubble is an Edge with neither a network nor a clock of its own: clients
// and targets are at the ends of pipes.
type bubble struct {
	*edge.Edge
	t       *testing.T
	clients chan net.Conn
	target  func(net.Conn, *bufio.Reader) // nil: never connected
}

var (
	bubbleBind   = netip.MustParseAddrPort("127.0.0.1:80")
	bubbleTarget = netip.MustParseAddrPort("10.0.0.1:80")
)

// inBubble runs test with such an Edge, whose one listener forwards to one
// target.
func inBubble(t *testing.T, target func(net.Conn, *bufio.Reader), test func(*bubble)) {
	t.Helper()
	inBoundedBubble(t, 0, target, test)
}

// inBoundedBubble is inBubble for at most so many clients; 0: any.
func inBoundedBubble(t *testing.T, clients int, target func(net.Conn, *bufio.Reader), test func(*bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{t: t, clients: make(chan net.Conn), target: target}
		c := edge.Config{Dial: b.dialTarget, Listen: b.listen}
		if clients > 0 {
			c.Clients = limit.NewConns(limit.Config{Max: clients})
		}
		b.Edge = edge.New(c)
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { b.Run(ctx) }) //nolint:errcheck // ends with ctx
		defer running.Wait()
		defer stop()
		tb := forwardAll(bubbleBind, bubbleTarget)
		tb.Listeners[0].Balancer.IdleTimeout = time.Minute
		tb.Pools[0].InUse = false // no checks
		if err := b.Load(tb); err != nil {
			t.Fatal(err)
		}
		test(b)
	})
}

func (b *bubble) dialTarget(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	if b.target == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		b.target(theirs, bufio.NewReader(theirs))
	}()
	return ours, nil
}

func (b *bubble) listen(context.Context, string, string) (net.Listener, error) { return b, nil }

// Accept, Close and Addr make the bubble a listener.
func (b *bubble) Accept() (net.Conn, error) {
	c, ok := <-b.clients
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (b *bubble) Close() error   { close(b.clients); return nil }
func (b *bubble) Addr() net.Addr { return net.TCPAddrFromAddrPort(bubbleBind) }

// from is a connection's end with a client's address.
type from struct {
	net.Conn
	client netip.Addr
}

func (f from) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(f.client, 4711))
}

func (b *bubble) connect(client string) (net.Conn, *bufio.Reader) {
	ours, theirs := net.Pipe()
	b.clients <- from{theirs, netip.MustParseAddr(client)}
	return ours, bufio.NewReader(ours)
}

// expect waits for an answer and how long it took.
func (b *bubble) expect(r *bufio.Reader, status int, atLeast, atMost time.Duration) {
	b.t.Helper()
	began := time.Now()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		b.t.Fatalf("after %s: %v", time.Since(began), err)
	}
	io.Copy(io.Discard, res.Body) //nolint:errcheck // the status is what counts
	if took := time.Since(began); res.StatusCode != status || took < atLeast || took > atMost {
		b.t.Errorf("got %d after %s, want %d after %s to %s", res.StatusCode, took, status, atLeast, atMost)
	}
}

func TestTargetThatNeverConnects(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(b *bubble) {
		c, r := b.connect("127.0.0.1")
		defer c.Close()
		io.WriteString(c, get) //nolint:errcheck // the test sees it
		b.expect(r, 504, 10*time.Second, 10*time.Second)
	})
}

func TestTargetThatNeverAnswers(t *testing.T) {
	t.Parallel()
	mute := func(_ net.Conn, r *bufio.Reader) { io.Copy(io.Discard, r) } //nolint:errcheck // until the end
	inBubble(t, mute, func(b *bubble) {
		c, r := b.connect("127.0.0.1")
		defer c.Close()
		io.WriteString(c, get) //nolint:errcheck // the test sees it
		b.expect(r, 504, time.Minute, 68*time.Second)
		// The connection is kept, and ends when nobody uses it.
		began := time.Now()
		if _, err := r.ReadByte(); err != io.EOF || time.Since(began) < time.Minute || time.Since(began) > 68*time.Second {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

// A connection that the network cut without a word is used for no request more,
// whether it was idle or in use then.
func TestForgets(t *testing.T) {
	t.Parallel()
	var dialled atomic.Int32
	var b *bubble
	serve := func(c net.Conn, r *bufio.Reader) {
		n := dialled.Add(1)
		for {
			req, err := http.ReadRequest(r)
			if err != nil {
				return
			}
			if req.URL.Path == "/forget" {
				b.Forget(netip.Addr{}, bubbleTarget)
			}
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
		}
	}
	inBubble(t, serve, func(in *bubble) {
		b = in
		c, r := b.connect("127.0.0.1")
		defer c.Close()
		expect := func(path, want string) {
			t.Helper()
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path)
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(res.Body); string(body) != want || err != nil {
				t.Errorf("%s: answered on connection %s, %v, want %s", path, body, err, want)
			}
			synctest.Wait()
		}
		expect("/", "1")
		b.Forget(netip.MustParseAddr("10.0.0.2"), bubbleTarget) // another source
		b.Forget(netip.Addr{}, netip.MustParseAddrPort("10.0.0.1:81"))
		expect("/", "1")
		b.Forget(netip.Addr{}, bubbleTarget)
		expect("/forget", "2")
		expect("/", "3")
		expect("/", "3")
	})
}

// A client that hangs up while it waits ends what it waits for.
func TestClientHangsUp(t *testing.T) {
	t.Parallel()
	var ended chan time.Time
	wait := func(_ net.Conn, r *bufio.Reader) {
		io.Copy(io.Discard, r) //nolint:errcheck // until the end
		ended <- time.Now()
	}
	inBubble(t, wait, func(b *bubble) {
		ended = make(chan time.Time, 1) // of the bubble, so that time passes
		c, _ := b.connect("127.0.0.1")
		io.WriteString(c, get) //nolint:errcheck // the test sees it
		synctest.Wait()
		began := time.Now()
		c.Close()
		if took := (<-ended).Sub(began); took > 3*time.Second {
			t.Errorf("the target works for a client that is gone for %s", took)
		}
		synctest.Wait()
		if n := b.Statuses()[0].Inflight; n != 0 {
			t.Errorf("got %d in flight", n)
		}
	})
}

// An answer that takes long to begin and to end is passed on as it comes,
// also when its client was watched meanwhile and has sent its next request,
// and the connection is kept.
func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	slow := func(c net.Conn, r *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			time.Sleep(30 * time.Second)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") //nolint:errcheck // the test sees it
			for i := range 4 {
				time.Sleep(50 * time.Second)
				fmt.Fprintf(c, "7\r\ndata: %d\r\n", i)
			}
			io.WriteString(c, "0\r\n\r\n") //nolint:errcheck // the test sees it
		}
	}
	inBubble(t, slow, func(b *bubble) {
		c, r := b.connect("127.0.0.1")
		defer c.Close()
		io.WriteString(c, get) //nolint:errcheck // the test sees it
		for again := range 2 {
			began := time.Now()
			if again == 0 {
				time.Sleep(2 * time.Second)
				io.WriteString(c, get) //nolint:errcheck // the test sees it
			}
			res, err := http.ReadResponse(r, nil)
			if err != nil || time.Since(began) != 30*time.Second {
				t.Fatalf("got %v after %s", err, time.Since(began))
			}
			for i := range 4 {
				got := make([]byte, 7)
				_, err := io.ReadFull(res.Body, got)
				if want := fmt.Sprintf("data: %d", i); string(got) != want || time.Since(began) != time.Duration(30+50*(i+1))*time.Second {
					t.Fatalf("got %q, %v after %s, want %q", got, err, time.Since(began), want)
				}
			}
			if rest, err := io.ReadAll(res.Body); len(rest) > 0 || err != nil {
				t.Fatalf("got %q, %v behind the end", rest, err)
			}
		}
	})
}

// Whoever isn't admitted is held for a minute, without a word.
func TestHeldForAMinute(t *testing.T) {
	t.Parallel()
	inBubble(t, nil, func(b *bubble) {
		c, r := b.connect("192.0.2.1")
		defer c.Close()
		io.WriteString(c, get) //nolint:errcheck // the test sees it
		began := time.Now()
		if _, err := r.ReadByte(); err != io.EOF || time.Since(began) != time.Minute {
			t.Errorf("got %v after %s", err, time.Since(began))
		}
	})
}

// A tunnel lives as long as a byte goes either way within the idle timeout.
func TestIdleTunnel(t *testing.T) {
	t.Parallel()
	talk := func(c net.Conn, r *bufio.Reader) {
		http.ReadRequest(r)                                                                                        //nolint:errcheck // whatever it is
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n") //nolint:errcheck // the test sees it
		for range 5 {
			time.Sleep(50 * time.Second)
			io.WriteString(c, ".") //nolint:errcheck // the test sees it
		}
		io.Copy(io.Discard, r) //nolint:errcheck // until the end
	}
	inBubble(t, talk, func(b *bubble) {
		c, r := b.connect("127.0.0.1")
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n") //nolint:errcheck // the test sees it
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 101 {
			t.Fatal(res, err)
		}
		began := time.Now()
		got, err := io.ReadAll(r)
		if took := time.Since(began); string(got) != "....." || took != 310*time.Second {
			t.Errorf("got %q, %v after %s, want it to end a minute after the last byte", got, err, took)
		}
	})
}
