package gateway

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSlowBody holds a caller to its time: the answer comes without the body.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	g, _ := open(t, func(c *Config) { c.ReadTimeout = 50 * time.Millisecond })
	conn, err := net.Dial("tcp", strings.TrimPrefix(g.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := signed(t, "POST", g.url+"/", "ecs", nil, "{}", time.Now())
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\nX-Amz-Date: %s\r\nAuthorization: %s\r\n\r\n{",
		r.Host, r.Header.Get("X-Amz-Date"), r.Header.Get("Authorization"))
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.Contains(string(answer), "408 Request Timeout") || !strings.Contains(string(answer), "RequestTimeout") {
		t.Errorf("answer %q, %v, want RequestTimeout", answer, err)
	}
}

func TestServeLetsCallsFinish(t *testing.T) {
	t.Parallel()
	started, finish := make(chan struct{}), make(chan struct{})
	gw := New(Config{Region: region, Log: slog.New(slog.DiscardHandler), Mounts: []Mount{{Prefix: "/slow/", Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-finish
		fmt.Fprint(w, "done")
	})}}})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var served error
	var wg sync.WaitGroup
	wg.Go(func() { served = gw.Serve(ctx, ln) })
	var body string
	wg.Go(func() {
		resp, err := http.Get("http://" + ln.Addr().String() + "/slow/")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		body = string(b)
	})
	<-started
	stop()
	close(finish)
	wg.Wait()
	if served != nil || body != "done" {
		t.Errorf("Serve: %v, answer %q, want it whole", served, body)
	}
}
