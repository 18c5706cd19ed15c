package e2e

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
)

// How many connections TestSurvivesIdleConnections opens to each listener, and
// how many files Skylift may open meanwhile: a few in make test, as in a real
// attack in make soak.
var (
	idle  = flag.Int("idle", 1200, "how many idle connections TestSurvivesIdleConnections opens to the balancers and to the APIs each")
	files = flag.Int("files", 1000, "how many files Skylift may open in TestSurvivesIdleConnections")
)

// crowd is connections that say at most half a request. Those that the other
// side closes are closed here, too.
type crowd struct {
	mu      sync.Mutex
	open    map[net.Conn]bool
	failed  error
	readers sync.WaitGroup
}

// crowd opens n connections to addr, each of which says a little.
func (s *skylift) crowd(t *testing.T, addr string, n int, says string) *crowd {
	t.Helper()
	c := &crowd{open: map[net.Conn]bool{}}
	t.Cleanup(c.leave)
	var dialers sync.WaitGroup
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	for range 16 {
		dialers.Go(func() {
			for range todo {
				c.join(addr, says)
			}
		})
	}
	dialers.Wait()
	if c.failed != nil {
		t.Errorf("connect to %s: %v", addr, c.failed)
	}
	return c
}

func (c *crowd) join(addr, says string) {
	nc, err := net.DialTimeout("tcp", addr, 10*time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed = errors.Join(c.failed, err)
		return
	}
	_, _ = io.WriteString(nc, says) // it may be cut already
	c.open[nc] = true
	c.readers.Go(func() {
		_, _ = io.Copy(io.Discard, nc) // until somebody closes it
		_ = nc.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.open, nc)
	})
}

// size is how many are open still.
func (c *crowd) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// leave closes all.
func (c *crowd) leave() {
	c.mu.Lock()
	for nc := range c.open {
		_ = nc.Close()
	}
	c.mu.Unlock()
	c.readers.Wait()
}

// openFiles is how many files the instance has open.
func (s *skylift) openFiles(t *testing.T) int {
	t.Helper()
	return len(must(os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid)))(t))
}

// TestSurvivesIdleConnections opens more idle connections to the balancers and
// to the APIs than Skylift may have files. The APIs, /readyz, health checks,
// traffic, pushes, pulls and deployments go on; no healthy task is replaced, and
// the instance says what runs short.
func TestSurvivesIdleConnections(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	s.within = []string{"prlimit", fmt.Sprintf("--nofile=%d:%d", *files/2, *files)} // the soft limit is raised
	s.serve(t)
	s.site(t, "shop", 2)
	before := s.tasks(t)
	load := s.load(t, "shop.test")
	t.Logf("%d files are open at first", s.openFiles(t))

	web := s.crowd(t, s.lb+":80", *idle/2, "")
	api := s.crowd(t, s.listen, *idle/2, "")
	half := s.crowd(t, s.lb+":80", *idle-*idle/2, "GET / HTTP/1.1\r\nHost: shop.te")
	halfAPI := s.crowd(t, s.listen, *idle-*idle/2, "POST / HTTP/1.1\r\nHost: x\r\nX-Am")
	for range 5 { // rounds, longer than it takes to find targets unhealthy
		if err := errors.Join(s.probe("/livez"), s.probe("/readyz")); err != nil {
			t.Error(err)
		}
		if n := s.openFiles(t); n > *files*9/10 {
			t.Errorf("%d of %d files are open", n, *files)
		}
		must(s.clients().ecs.ListTasks(t.Context(), &ecs.ListTasksInput{}))(t)
		s.hangUp() // each round connects anew
		for _, g := range s.status(t).TargetGroups {
			if g.Healthy != 2 {
				t.Errorf("%d of 2 targets are healthy: %+v", g.Healthy, g.Targets)
			}
		}
		<-time.After(3 * time.Second)
	}
	sameTasks(t, before, s.tasks(t))
	problems := s.status(t).Problems
	for _, what := range []string{"connections to load balancers run short", "connections to the APIs and the registry run short"} {
		if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, what) }) {
			t.Errorf("status doesn't say that %s: %q", what, problems)
		}
	}
	if !strings.Contains(string(must(os.ReadFile(s.logs))(t)), "connections run short") {
		t.Error("the log doesn't say that connections run short")
	}
	t.Logf("%d files are open; of %d connections each, %d and %d are left", s.openFiles(t), *idle, web.size()+half.size(), api.size()+halfAPI.size())

	s.redeploy(t, "shop", "2")
	s.stable(t, "shop")
	s.answers(t, "shop.test", "site=shop version=2")
	s.exactly(t, 2)
	load.lossless(t)
}
