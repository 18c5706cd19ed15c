package logs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/logs/line"
)

const lb = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/50dc6c495c0c9188"

// bucket keeps what is put into it.
type bucket struct {
	mu  sync.Mutex
	err error
	put map[string]string
}

func (b *bucket) Put(_ context.Context, balancer, bucket, key string, body io.Reader) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if z, err := gzip.NewReader(bytes.NewReader(text)); err == nil {
		if text, err = io.ReadAll(z); err != nil {
			return err
		}
	}
	if b.put == nil {
		b.put = map[string]string{}
	}
	b.put[bucket+"/"+key] = string(text)
	return nil
}

func request(uri string) *report.Request {
	return &report.Request{Balancer: lb, Node: netip.MustParseAddr("10.0.0.9"), Kind: report.HTTP, Method: []byte("GET"), URI: []byte(uri), Scheme: "http", Host: []byte("a.test"), Port: "80", Version: "1.1", Status: 200}
}

func opened(t *testing.T, dir string, full func() bool) (*Collector, *Deliverer, *bucket) {
	t.Helper()
	c, err := Open(dir, Interval, full, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b := &bucket{}
	return c, &Deliverer{Collector: c, Objects: b, Account: "123456789012", Region: "us-west-2"}, b
}

var access = Log{line.Access, lb, "tea", "p"}

// TestDelivered: lines come into the bucket at the end of their interval, once.
func TestDelivered(t *testing.T) {
	t.Parallel()
	c, d, b := opened(t, t.TempDir(), nil)
	c.Request(request("/unwanted"))
	c.Configure([]Log{access, {line.Health, lb, "milk", ""}})
	for i := range 100 {
		c.Request(request(fmt.Sprintf("/%d", i)))
	}
	c.Check(&report.Check{Balancer: lb, Node: netip.MustParseAddr("10.0.0.9"), Kind: report.HTTP, Pool: "a:targetgroup/g/1", Passed: true})
	c.Connection(&report.Connection{Balancer: lb, Port: "80"})
	now := time.Date(2026, 11, 30, 12, 1, 0, 0, time.UTC)
	if err := errors.Join(c.Flush(now), d.round(t.Context(), now)); err != nil {
		t.Fatal(err)
	}
	if len(b.put) != 0 {
		t.Fatalf("delivered before the end: %v", b.put)
	}
	now = now.Add(4 * time.Minute)
	for range 2 {
		if err := d.round(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.put) != 2 {
		t.Fatalf("delivered %v", slices.Collect(maps.Keys(b.put)))
	}
	for key, text := range b.put {
		n := strings.Count(text, "\n")
		switch {
		case strings.HasPrefix(key, "tea/p/AWSLogs/123456789012/elasticloadbalancing/us-west-2/2026/11/30/123456789012_elasticloadbalancing_us-west-2_app.web.50dc6c495c0c9188_20261130T1205Z_10.0.0.9_"):
			if n != 100 || !strings.Contains(text, `"GET http://a.test:80/99 HTTP/1.1"`) {
				t.Errorf("%d lines: %s", n, text)
			}
		case strings.HasPrefix(key, "milk/AWSLogs/123456789012/elasticloadbalancing/us-west-2/2026/11/30/health_check_log_123456789012_"):
			if n != 1 || !strings.Contains(text, " g PASS ") {
				t.Errorf("%s", text)
			}
		default:
			t.Errorf("key %s", key)
		}
	}
	if got := d.Troubles(); len(got) > 0 || c.Dropped() != 0 {
		t.Errorf("troubles %v", got)
	}
}

// TestMoved: what was collected before a log went elsewhere, or off, goes where it would have gone.
func TestMoved(t *testing.T) {
	t.Parallel()
	c, d, b := opened(t, t.TempDir(), nil)
	now := time.Now()
	c.Configure([]Log{access})
	c.Request(request("/old"))
	moved := access
	moved.Bucket = "coffee"
	c.Configure([]Log{moved})
	c.Request(request("/new"))
	c.Configure(nil)
	c.Request(request("/none"))
	for range 2 { // the second one finds streams without files
		if err := errors.Join(c.Flush(now), d.round(t.Context(), now)); err != nil {
			t.Fatal(err)
		}
	}
	all := ""
	for key, text := range b.put {
		if strings.HasPrefix(key, "tea/") != strings.Contains(text, "/old ") || strings.HasPrefix(key, "coffee/") != strings.Contains(text, "/new ") {
			t.Errorf("%s has %s", key, text)
		}
		all += text
	}
	if len(b.put) != 2 || strings.Contains(all, "/none") || len(c.spool.Streams()) != 0 {
		t.Errorf("delivered %v, streams left: %d", b.put, len(c.spool.Streams()))
	}
}

// TestRestarted: lines that were in files when the process was killed are delivered by the next one, and an orderly end loses none.
func TestRestarted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, _, _ := opened(t, dir, nil)
	c.Configure([]Log{access})
	c.Request(request("/flushed"))
	if err := c.Flush(time.Now()); err != nil {
		t.Fatal(err)
	}
	c.Request(request("/lost")) // with the process
	c, _, _ = opened(t, dir, nil)
	c.Configure([]Log{access})
	c.Request(request("/closed"))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	_, d, b := opened(t, dir, nil)
	if err := d.round(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(slices.Collect(maps.Values(b.put)), "")
	if !strings.Contains(all, "/flushed ") || !strings.Contains(all, "/closed ") || strings.Contains(all, "/lost ") {
		t.Errorf("delivered %q", all)
	}
}

// TestRefused: what can't be delivered stays, is tried again after a while, and is told of; after a day it goes.
func TestRefused(t *testing.T) {
	t.Parallel()
	c, d, b := opened(t, t.TempDir(), nil)
	c.Configure([]Log{access})
	now := time.Now()
	round := func() {
		t.Helper()
		if err := errors.Join(c.Flush(now), d.round(t.Context(), now)); err != nil {
			t.Fatal(err)
		}
	}
	c.Request(request("/a"))
	b.err = errors.New("no entry")
	round()
	now = now.Add(Interval)
	round()
	if got := d.Troubles(); len(got) != 1 || !strings.Contains(got[0], "access logs of the load balancer app/web/50dc6c495c0c9188 can't be delivered to the bucket tea: no entry") {
		t.Errorf("troubles %q", got)
	}
	b.err = nil
	round()
	if len(b.put) != 0 {
		t.Error("it is tried again at once")
	}
	now = now.Add(firstWait)
	round()
	if got := d.Troubles(); len(b.put) != 1 || len(got) != 0 {
		t.Errorf("delivered %v, troubles %v", b.put, got)
	}
	c.Request(request("/b"))
	round()
	b.err = errors.New("no entry")
	now = now.Add(2 * giveUp)
	round()
	if c.Dropped() != 1 {
		t.Errorf("%d lines were given up", c.Dropped())
	}
}

// TestDropped: a log never takes more memory than it may have, nor anything of a full disk; what is lost is counted.
func TestDropped(t *testing.T) {
	t.Parallel()
	full := false
	c, d, _ := opened(t, t.TempDir(), func() bool { return full })
	c.Configure([]Log{access})
	big := request("/" + strings.Repeat("x", 15<<10))
	n := 2 * inMemory / (15 << 10)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range n / 4 {
				c.Request(big)
			}
		})
	}
	all.Wait()
	held := 0
	for i := range c.shards {
		held += len(c.shards[i].lines)
	}
	lost := c.Dropped()
	if held > inMemory || lost == 0 || int(lost) >= n {
		t.Errorf("%d bytes held, %d of %d lines lost", held, lost, n)
	}
	full = true
	if err := c.Flush(time.Now()); err != nil {
		t.Fatal(err)
	}
	if got := c.Dropped(); int(got) != n/4*4 || c.spool.Size() != 0 {
		t.Errorf("%d lines lost of %d, %d bytes in files", got, n, c.spool.Size())
	}
	if got := d.Troubles(); len(got) != 1 || !strings.HasSuffix(got[0], "lines of load balancers' logs were dropped since the start") {
		t.Errorf("troubles %v", got)
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	got := Wanted([]elbv2.LoadBalancer{
		{ARN: "a", Attributes: map[string]string{"access_logs.s3.enabled": "true", "access_logs.s3.bucket": "tea", "access_logs.s3.prefix": "p", "connection_logs.s3.bucket": "off"}},
		{ARN: "b", Attributes: map[string]string{"connection_logs.s3.enabled": "true", "connection_logs.s3.bucket": "c", "health_check_logs.s3.enabled": "true", "health_check_logs.s3.bucket": "h"}},
	})
	want := []Log{{line.Access, "a", "tea", "p"}, {line.Conn, "b", "c", ""}, {line.Health, "b", "h", ""}}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTester(t *testing.T) {
	t.Parallel()
	b := &bucket{}
	tester := Tester{Objects: b, Account: "123456789012", Region: "us-west-2"}
	if err := tester.Test(t.Context(), lb, elbv2.ConnectionLogs, "tea", "p"); err != nil || b.put["tea/p/AWSLogs/123456789012/ELBConnectionLogTestFile"] == "" {
		t.Errorf("put %v, %v", b.put, err)
	}
}

// BenchmarkRequest is what a line costs the request that it is of.
func BenchmarkRequest(b *testing.B) {
	c, err := Open(b.TempDir(), Interval, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	c.Configure([]Log{access})
	flushed := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(flushed)
		for {
			select {
			case <-stop:
				return
			case <-c.wake:
			}
			if err := c.Flush(time.Now()); err != nil {
				b.Error(err)
			}
		}
	}()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := request("/index.html")
		r.Agent, r.TraceID = []byte("bench/1.0"), []byte("Root=1-58337262-36d228ad5d99923122bbe354")
		for pb.Next() {
			c.Request(r)
		}
	})
	close(stop)
	<-flushed
	b.ReportMetric(float64(c.Dropped())/float64(b.N), "dropped/op")
}
