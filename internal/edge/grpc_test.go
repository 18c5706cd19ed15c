package edge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/securetest"
	"github.com/skylift/skylift/internal/edge/table"
)

// The service of the tests, by hand: messages are numbers.
type number = wrapperspb.Int64Value

var kinds = map[string]grpc.StreamDesc{
	"up": {StreamName: "up", ClientStreams: true}, "down": {StreamName: "down", ServerStreams: true}, "both": {StreamName: "both", ClientStreams: true, ServerStreams: true},
}

// calls is a target that speaks gRPC: unary adds one, up sums, down counts, both doubles, and wait
// waits for the caller to give up.
func calls(t testing.TB, secured bool, gone chan<- struct{}, opened *atomic.Int64) netip.AddrPort {
	t.Helper()
	var options []grpc.ServerOption
	if secured {
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(&securetest.Certificate(t, securetest.Spec{}, "target").TLS)))
	}
	options = append(options, grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		if agent := metadata.ValueFromIncomingContext(s.Context(), "user-agent"); len(agent) > 0 && agent[0] == "ELB-HealthChecker/2.0" {
			return status.Error(codes.Unimplemented, method)
		}
		var sum int64
		for {
			in := &number{}
			err := s.RecvMsg(in)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			sum += in.Value
			if method == "/test/both" {
				if err := s.SendMsg(&number{Value: 2 * in.Value}); err != nil {
					return err
				}
			}
		}
		switch method {
		case "/test/unary", "/test/up":
			s.SetTrailer(metadata.Pairs("x-sum", fmt.Sprint(sum)))
			return s.SendMsg(&number{Value: sum + 1})
		case "/test/down":
			for i := range sum {
				if err := s.SendMsg(&number{Value: i}); err != nil {
					return err
				}
			}
			return nil
		case "/test/both":
			return nil
		case "/test/wait":
			<-s.Context().Done()
			gone <- struct{}{}
			return s.Context().Err()
		}
		return status.Error(codes.FailedPrecondition, "no: "+method)
	}))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(options...)
	go server.Serve(counting{ln, opened}) //nolint:errcheck // ends with the test
	t.Cleanup(server.Stop)
	return netip.MustParseAddrPort(ln.Addr().String())
}

// counting counts the connections.
type counting struct {
	net.Listener
	n *atomic.Int64
}

func (c counting) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err == nil && c.n != nil {
		c.n.Add(1)
	}
	return nc, err
}

// callsTo is a client of the balancer at addr.
func callsTo(t testing.TB, addr netip.AddrPort) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("passthrough:///"+addr.String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{ServerName: "a.example.com", RootCAs: securetest.Roots()})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// speaking is a site whose targets speak a version of HTTP.
func speaking(t testing.TB, bind netip.AddrPort, v table.Version, secured bool, targets ...netip.AddrPort) *table.Table {
	tb := site(t, bind, targets...)
	p := &tb.Pools[0]
	p.TLS, p.Version, p.Check.TLS, p.Check.Version, p.Check.Matcher = secured, v, secured, v, "200-499"
	if v == table.GRPC {
		p.Check.Path, p.Check.Matcher = "/AWS.ALB/healthcheck", "12"
	}
	return tb
}

func TestGRPC(t *testing.T) {
	t.Parallel()
	for _, secured := range []bool{false, true} {
		t.Run(fmt.Sprint("over TLS ", secured), func(t *testing.T) {
			t.Parallel()
			f := start(t, edge.Config{})
			bind := f.bind()
			gone := make(chan struct{}, 1)
			var opened atomic.Int64
			f.load(speaking(t, bind, table.GRPC, secured, calls(t, secured, gone, &opened)))
			f.waitState(table.Healthy)
			c := callsTo(t, bind)
			checked := opened.Load()
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() { tryCalls(t, c, int64(i+1)) })
			}
			all.Wait()
			if n := opened.Load() - checked; n > 16 { // checks go on
				t.Errorf("%d connections to the target", n)
			}
			err := c.Invoke(t.Context(), "/test/none", &number{}, &number{})
			if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "no: /test/none" {
				t.Errorf("a failure: got %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			given := make(chan error, 1)
			go func() { given <- c.Invoke(ctx, "/test/wait", &number{}, &number{}) }()
			time.AfterFunc(100*time.Millisecond, cancel)
			if err := <-given; status.Code(err) != codes.Canceled {
				t.Errorf("given up: got %v", err)
			}
			select {
			case <-gone:
			case <-time.After(20 * time.Second):
				t.Error("the target works on a call that its caller gave up")
			}
		})
	}
}

// tryCalls makes one call of each kind.
func tryCalls(t *testing.T, c *grpc.ClientConn, n int64) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out number
	var trailer metadata.MD
	if err := c.Invoke(ctx, "/test/unary", &number{Value: n}, &out, grpc.Trailer(&trailer)); err != nil || out.Value != n+1 || strings.Join(trailer["x-sum"], "") != fmt.Sprint(n) {
		t.Errorf("unary: got %d, %v, trailers %v", out.Value, err, trailer)
	}
	for kind, desc := range kinds {
		s, err := c.NewStream(ctx, &desc, "/test/"+kind)
		if err != nil {
			t.Error(err)
			return
		}
		var got []int64
		receive := func() (err error) {
			in := &number{}
			if err = s.RecvMsg(in); err == nil {
				got = append(got, in.Value)
			}
			return err
		}
		for i := range n {
			v := i
			if kind == "down" {
				if v = n; i > 0 {
					break
				}
			}
			err = errors.Join(err, s.SendMsg(&number{Value: v}))
			if kind == "both" { // each answer comes before the next is asked for
				err = errors.Join(err, receive())
			}
		}
		err = errors.Join(err, s.CloseSend())
		for err == nil {
			err = receive()
		}
		want := map[string]int{"up": 1, "down": int(n), "both": int(n)}[kind]
		if !errors.Is(err, io.EOF) || len(got) != want {
			t.Errorf("%s: got %v, %v, want %d messages", kind, got, err, want)
		}
	}
}

// TestVersionsThatDoNotFit: what a target doesn't speak is answered with 464.
func TestVersionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	plain := backend(t, says("ok"))
	for _, tt := range []struct {
		version      table.Version
		http2        bool
		method, kind string
		want         int
	}{
		{table.HTTP1, true, "POST", "application/grpc+proto", 464},
		{table.HTTP1, true, "POST", "text/plain", 200},
		{table.HTTP2, false, "GET", "", 464},
		{table.GRPC, false, "POST", "application/grpc", 464},
		{table.GRPC, true, "GET", "application/grpc", 464},
		{table.GRPC, true, "POST", "application/grpc", 502}, // there is nobody
	} {
		tb := speaking(t, bind, tt.version, false, plain)
		f.load(tb)
		req, _ := http.NewRequest(tt.method, "https://a.example.com/", nil)
		if tt.kind != "" {
			req.Header.Set("Content-Type", tt.kind)
		}
		res, err := overTLS(t, bind, tt.http2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		isCall := strings.HasPrefix(tt.kind, "application/grpc") && tt.http2
		if res.StatusCode != tt.want || isCall != (res.Header.Get("Grpc-Status") == "14") {
			t.Errorf("%+v: got %d, %v", tt, res.StatusCode, res.Header)
		}
		tb.Pools = nil // a pool's version never changes
		f.load(tb)
	}
}

// http2Backend is a target that speaks HTTP/2 without TLS.
func http2Backend(t testing.TB, h http.HandlerFunc) (netip.AddrPort, *httptest.Server) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String()), s
}

// TestHTTP2Targets: all that a request and an answer have passes, both ways.
func TestHTTP2Targets(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	target, _ := http2Backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(204)
			return
		case "/same":
			w.WriteHeader(304)
			return
		}
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintf(w, "%s %s %s %s %s %q %d %v", r.Method, r.Proto, r.Host, r.RequestURI, r.Header.Get("X-Forwarded-Proto"), r.Header.Values("Cookie"), len(b), r.Trailer)
		w.Header().Set("X-Sum", "7")
	})
	f.load(speaking(t, bind, table.HTTP2, false, target))
	f.waitState(table.Healthy)
	client := overTLS(t, bind, true)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<15)
	var all sync.WaitGroup
	for i := range 60 {
		all.Go(func() {
			req, _ := http.NewRequest("GET", "https://a.example.com//a%2Fb?c=%20", nil)
			want := `GET HTTP/2.0 a.example.com //a%2Fb?c=%20 https ["x=1; y=2"] 0 map[]`
			if i%2 == 1 {
				req, _ = http.NewRequest("POST", "https://a.example.com/up", io.MultiReader(bytes.NewReader(large)))
				req.Trailer = http.Header{"X-End": {"1"}}
				want = fmt.Sprintf(`POST HTTP/2.0 a.example.com /up https ["x=1; y=2"] %d map[X-End:[1]]`, len(large))
			}
			req.Header.Set("Cookie", "x=1; y=2")
			res, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil || string(b) != want || res.Trailer.Get("X-Sum") != "7" || len(res.Header.Values("Set-Cookie")) != 2 {
				t.Errorf("got %q, %v, trailer %v, want %q", b, err, res.Trailer, want)
			}
		})
	}
	all.Wait()
	for path, want := range map[string]int{"/none": 204, "/same": 304, "/": 200} {
		res, err := client.Head("https://a.example.com" + path)
		if err != nil || res.StatusCode != want {
			t.Errorf("HEAD %s: got %v, %v", path, res, err)
		}
		res, err = client.Get("https://a.example.com" + path)
		if err != nil || res.StatusCode != want {
			t.Errorf("GET %s: got %v, %v", path, res, err)
			continue
		}
		res.Body.Close()
	}
}

// TestHTTP2TargetGoesAway: a target that says farewell costs no request.
func TestHTTP2TargetGoesAway(t *testing.T) {
	t.Parallel()
	f := start(t, edge.Config{})
	bind := f.bind()
	one, first := http2Backend(t, says("ok"))
	two, _ := http2Backend(t, says("ok"))
	f.load(speaking(t, bind, table.HTTP2, false, one, two))
	f.waitState(table.Healthy)
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var asked atomic.Int64
	for range 4 {
		client := overTLS(t, bind, true)
		for range 4 {
			clients.Go(func() {
				for ctx.Err() == nil {
					res, err := client.Get("https://a.example.com/")
					if err != nil {
						t.Errorf("request failed: %v", err)
						return
					}
					b, err := io.ReadAll(res.Body)
					res.Body.Close()
					if asked.Add(1); err != nil || string(b) != "ok" {
						t.Errorf("got %d %q, %v", res.StatusCode, b, err)
					}
				}
			})
		}
	}
	for asked.Load() < 200 && !t.Failed() {
		time.Sleep(time.Millisecond)
	}
	down, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := first.Config.Shutdown(down); err != nil { // sends GOAWAY, and answers what it took
		t.Error(err)
	}
	for until := asked.Load() + 200; asked.Load() < until && !t.Failed(); {
		time.Sleep(time.Millisecond)
	}
	stop()
	clients.Wait()
}
