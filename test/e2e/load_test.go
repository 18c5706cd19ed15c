package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is a stream of requests to a site.
type load struct {
	mu     sync.Mutex
	n      int
	failed []failure
	down   []window
	stop   chan struct{}
	wg     sync.WaitGroup
}

type failure struct {
	begun, ended time.Time
	what         string
}

// clock is how failures and the log say when.
const clock = "15:04:05.000"

// window is a time in which requests may be lost.
type window struct{ from, to time.Time }

// load sends requests to host on several connections until the test is over
// or lost is called.
func (s *skylift) load(t *testing.T, host string) *load {
	t.Helper()
	l := &load{stop: make(chan struct{})}
	for range 4 {
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: s.dial}}
		l.wg.Go(func() { l.send(client, "http://"+s.lb+"/", host) })
	}
	t.Cleanup(l.end)
	return l
}

func (l *load) end() {
	l.mu.Lock()
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.mu.Unlock()
	l.wg.Wait()
}

func (l *load) send(client *http.Client, url, host string) {
	pace := time.NewTicker(10 * time.Millisecond) // other tests need the processor too
	defer pace.Stop()
	defer client.CloseIdleConnections()
	for {
		select {
		case <-l.stop:
			return
		case <-pace.C:
		}
		begun := time.Now()
		err := ask(client, url, host)
		l.mu.Lock()
		l.n++
		if err != nil {
			l.failed = append(l.failed, failure{begun, time.Now(), err.Error()})
		}
		l.mu.Unlock()
	}
}

func ask(client *http.Client, url, host string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Host = host
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s", res.Status, b)
	}
	return nil
}

// while runs f, during which requests may be lost: the balancer is down.
func (l *load) while(f func()) {
	from := time.Now()
	f()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = append(l.down, window{from, time.Now()})
}

// lossless ends the load and checks that none was lost while the balancer was
// up.
func (l *load) lossless(t *testing.T) {
	t.Helper()
	l.end()
	var lost []string
	for _, f := range l.failed {
		excused := false
		for _, w := range l.down {
			excused = excused || f.ended.After(w.from) && f.begun.Before(w.to)
		}
		if !excused {
			first, _, _ := strings.Cut(f.what, "\n")
			lost = append(lost, fmt.Sprintf("%s (after %v): %s", f.begun.Format(clock), f.ended.Sub(f.begun), first))
		}
	}
	if len(lost) > 0 {
		for _, w := range l.down {
			t.Logf("the balancer was down from %s to %s", w.from.Format(clock), w.to.Format(clock))
		}
		t.Errorf("%d of %d requests lost:\n%s\n…\n%s", len(lost), l.n, strings.Join(lost[:min(10, len(lost))], "\n"), lost[len(lost)-1])
	}
	if l.n < 100 {
		t.Errorf("only %d requests were sent", l.n)
	}
	t.Logf("%d requests, %d lost while the balancer was down", l.n, len(l.failed)-len(lost))
}
