package logs

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/logs/line"
	"github.com/skylift/skylift/internal/service/elbv2/logs/spool"
)

// Objects is S3 as what delivers logs sees it.
type Objects interface {
	// Put writes an object for a balancer, an ARN, as the service that delivers its logs. The bucket's policy must allow it.
	Put(ctx context.Context, balancer, bucket, key string, body io.Reader) error
}

// How failed deliveries are tried again.
const (
	firstWait = 5 * time.Second
	lastWait  = 5 * time.Minute
	giveUp    = 24 * time.Hour // how old a file becomes that can't be delivered
)

// Deliverer puts what a Collector has in files into buckets.
type Deliverer struct {
	Collector       *Collector
	Objects         Objects
	Account, Region string

	mu      sync.Mutex
	failing map[string]failure // by the streams' names
}

type failure struct {
	until time.Time
	wait  time.Duration
	why   string
}

// Run writes lines to files, and delivers these, until ctx ends.
func (d *Deliverer) Run(ctx context.Context) error {
	var delivery sync.WaitGroup
	delivery.Go(func() { d.deliver(ctx) })
	defer delivery.Wait()
	tick := time.NewTicker(min(flushEvery, d.Collector.interval))
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		case <-d.Collector.wake:
		}
		err := d.Collector.Flush(time.Now())
		if err != nil && err.Error() != said {
			d.Collector.log.Error("logs of load balancers are dropped", "err", err)
		}
		if said = ""; err != nil {
			said = err.Error()
		}
	}
}

// deliver delivers what has ended, until ctx ends.
func (d *Deliverer) deliver(ctx context.Context) {
	tick := time.NewTicker(min(flushEvery, d.Collector.interval))
	defer tick.Stop()
	for {
		if err := d.round(ctx, time.Now()); err != nil && ctx.Err() == nil {
			d.Collector.log.Error("logs of load balancers can't be looked through", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// round delivers what has ended by now, once.
func (d *Deliverer) round(ctx context.Context, now time.Time) error {
	c := d.Collector
	active := map[string]bool{}
	for _, s := range *c.streams.Load() {
		active[s.name()] = true
	}
	var errs []error
	for _, st := range c.spool.Streams() {
		if active[st.Name()] {
			errs = append(errs, st.Seal(now))
		} else {
			errs = append(errs, st.End())
		}
		files, err := st.Files()
		errs = append(errs, err)
		if len(files) > 0 {
			d.send(ctx, st, files, now)
		} else if !active[st.Name()] && err == nil {
			errs = append(errs, d.drop(st))
		}
	}
	return errors.Join(append(errs, c.spool.Bound())...)
}

// drop removes a stream without files, unless it is wanted again.
func (d *Deliverer) drop(st *spool.Stream) error {
	c := d.Collector
	c.flushing.Lock()
	defer c.flushing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range *c.streams.Load() {
		if s.name() == st.Name() {
			return nil
		}
	}
	for i := range c.shards { // lines may still be on their way to it
		s := &c.shards[i]
		s.mu.Lock()
		waits := slices.ContainsFunc(s.parts, func(p part) bool { return p.of.name() == st.Name() })
		s.mu.Unlock()
		if waits {
			return nil
		}
	}
	d.mu.Lock()
	delete(d.failing, st.Name())
	d.mu.Unlock()
	return c.spool.Drop(st)
}

// send delivers a stream's files, the oldest first, until one can't be.
func (d *Deliverer) send(ctx context.Context, st *spool.Stream, files []spool.File, now time.Time) {
	d.mu.Lock()
	last := d.failing[st.Name()]
	d.mu.Unlock()
	if now.Before(last.until) {
		return
	}
	var is about
	err := st.About(&is)
	for _, f := range files {
		if err == nil {
			err = d.put(ctx, is, f)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			err = d.Collector.spool.Remove(f)
		case now.Sub(f.End) > giveUp:
			d.Collector.dropped.Add(uint64(f.Lines))
			err = d.Collector.spool.Remove(f)
		}
		if err != nil {
			break
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.failing, st.Name())
		return
	}
	next := failure{wait: min(lastWait, max(firstWait, 2*last.wait)), why: fmt.Sprintf("%s logs of the load balancer %s can't be delivered to the bucket %s: %v", is.Kind, line.Balancer(is.Balancer), is.Bucket, err)}
	next.until = now.Add(next.wait)
	if next.why != last.why {
		d.Collector.log.Warn("logs can't be delivered", "key", is.Balancer, "err", err)
	}
	if d.failing == nil {
		d.failing = map[string]failure{}
	}
	d.failing[st.Name()] = next
}

// put writes a file to its bucket, packed.
func (d *Deliverer) put(ctx context.Context, is about, f spool.File) error {
	key := d.place(is.Log).Key(f.End, is.Node, f.Random)
	return f.Read(func(text io.Reader) error {
		packed, in := io.Pipe()
		var packing sync.WaitGroup
		packing.Go(func() {
			z := gzip.NewWriter(in)
			_, err := io.Copy(z, text)
			in.CloseWithError(errors.Join(err, z.Close()))
		})
		defer packing.Wait()
		defer packed.Close()
		return d.Objects.Put(ctx, is.Balancer, is.Bucket, key, packed)
	})
}

func (d *Deliverer) place(l Log) line.Place {
	return line.Place{Kind: l.Kind, Prefix: l.Prefix, Account: d.Account, Region: d.Region, Balancer: l.Balancer}
}

// Troubles says which logs can't be delivered, and how many lines were lost.
func (d *Deliverer) Troubles() (out []string) {
	d.mu.Lock()
	for _, f := range d.failing {
		out = append(out, f.why)
	}
	d.mu.Unlock()
	slices.Sort(out)
	if n := d.Collector.Dropped(); n > 0 {
		out = append(out, fmt.Sprintf("%d lines of load balancers' logs were dropped since the start", n))
	}
	return out
}

// kinds are the kinds of logs by their attributes.
var kinds = map[string]line.Kind{elbv2.AccessLogs: line.Access, elbv2.ConnectionLogs: line.Conn, elbv2.HealthLogs: line.Health}

// Tester writes the file that tells whether a log can be delivered.
type Tester struct {
	Objects         Objects
	Account, Region string
}

// Test writes the test file of a balancer's logs of a kind, as their attributes name it.
func (t Tester) Test(ctx context.Context, balancer, kind, bucket, prefix string) error {
	p := line.Place{Kind: kinds[kind], Prefix: prefix, Account: t.Account, Region: t.Region, Balancer: balancer}
	return t.Objects.Put(ctx, balancer, bucket, p.Test(), line.TestFile(p.Kind, balancer, time.Now()))
}
