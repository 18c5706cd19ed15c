package edge_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge"
)

const smallAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n"

// quickBackend costs as little as a target can, so that what is measured is
// the proxy.
func quickBackend(b *testing.B) netip.AddrPort {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					line, err := r.ReadSlice('\n')
					if err != nil {
						return
					}
					if len(line) == 2 {
						io.WriteString(c, smallAnswer) //nolint:errcheck // the benchmark sees it
					}
				}
			}()
		}
	}()
	return netip.MustParseAddrPort(ln.Addr().String())
}

// load asks addr from 64 connections at once.
func load(b *testing.B, addr string) {
	b.Helper()
	b.SetParallelism(32)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for pb.Next() {
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: a.example.com\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n") //nolint:errcheck // read sees it
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if len(line) == 2 {
					break
				}
			}
			if _, err := r.Discard(6); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkEdge(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	e := edge.New(edge.Config{Grace: time.Millisecond, Listen: func(context.Context, string, string) (net.Listener, error) { return ln, nil }})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- e.Run(ctx) }()
	defer func() { stop(); <-ended }() //nolint:errcheck // ends with ctx
	tb := forwardAll(netip.MustParseAddrPort(ln.Addr().String()), quickBackend(b))
	tb.Pools[0].Check.Interval = time.Hour
	if err := e.Load(tb); err != nil {
		b.Fatal(err)
	}
	load(b, ln.Addr().String())
}

func BenchmarkReverseProxy(b *testing.B) {
	target := &url.URL{Scheme: "http", Host: quickBackend(b).String()}
	s := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	})
	defer s.Close()
	load(b, s.Listener.Addr().String())
}
