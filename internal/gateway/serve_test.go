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

	cwl "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/wire"
	"github.com/skylift/skylift/internal/wire/onepiece"
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

// TestServeEndsWhatLasts: an answer that would last for hours ends with Serve, and is whole.
func TestServeEndsWhatLasts(t *testing.T) {
	t.Parallel()
	tail := func(ctx context.Context, _ *cwl.StartLiveTailInput, events wire.Events[types.StartLiveTailResponseStream]) error {
		if err := events.Send(&types.StartLiveTailResponseStreamMemberSessionStart{Value: types.LiveTailSessionStart{RequestId: &events.RequestID}}); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	}
	all := []types.StartLiveTailResponseStream{&types.StartLiveTailResponseStreamMemberSessionStart{}, &types.StartLiveTailResponseStreamMemberSessionUpdate{}}
	svc, err := wire.NewService("logs", wire.OpEvents("StartLiveTail", tail, all...).On("log-group: logGroupIdentifiers").Takes("*"))
	if err != nil {
		t.Fatal(err)
	}
	log := &logbook{}
	gw := New(Config{
		Region: region, Keys: credential.Root{Key: rootKey, Account: account}, Log: slog.New(slog.NewJSONHandler(log, nil)), Services: []*wire.Service{svc},
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var served error
	var wg sync.WaitGroup
	wg.Go(func() { served = gw.Serve(ctx, ln) })
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, ln.Addr().String())
	}}
	cfg := awsConfig(gate{url: "http://skylift.test"}, rootKey, region)
	cfg.HTTPClient = onepiece.Client(transport)
	out, err := cwl.NewFromConfig(cfg).StartLiveTail(t.Context(), &cwl.StartLiveTailInput{LogGroupIdentifiers: []string{"g"}})
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := (<-out.GetStream().Events()).(*types.StartLiveTailResponseStreamMemberSessionStart); !ok || *e.Value.RequestId == "" {
		t.Errorf("the first event is %+v", e)
	}
	stop()
	if e, ok := <-out.GetStream().Events(); ok || out.GetStream().Err() != nil {
		t.Errorf("then comes %v, %v", e, out.GetStream().Err())
	}
	wg.Wait()
	if lines := log.lines(t, "call"); served != nil || len(lines) != 1 || lines[0]["code"] != "OK" || lines[0]["action"] != "StartLiveTail" {
		t.Errorf("Serve: %v, log %s", served, log)
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
