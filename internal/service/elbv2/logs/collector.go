// Package logs collects what the data plane tells of requests, connections and health
// checks, and delivers it to buckets as an Application Load Balancer's logs.
//
// Lines are put aside in memory without waiting, and dropped when there is no room for
// them: a log never holds up a request. Every second they go to files in the data
// directory, which survive a crash of the process; at the end of each interval these are
// delivered. What is kept, in memory and on disk, has bounds.
package logs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skylift/skylift/internal/edge/report"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/logs/line"
	"github.com/skylift/skylift/internal/service/elbv2/logs/spool"
)

// Bounds of what is kept.
const (
	inMemory   = 16 << 20 // bytes of lines that aren't in files yet
	flushEvery = time.Second
	perFile    = 64 << 20
	onDisk     = 1 << 30
)

// Interval is how often logs are delivered, as AWS does.
const Interval = 5 * time.Minute

// Log is a log that somebody wants.
type Log struct {
	Kind           line.Kind
	Balancer       string // ARN
	Bucket, Prefix string
}

// Wanted returns the logs that balancers are to have.
func Wanted(all []elbv2.LoadBalancer) (out []Log) {
	for _, lb := range all {
		for _, kind := range elbv2.LogKinds {
			if bucket, prefix, on := lb.LogTo(kind); on {
				out = append(out, Log{kinds[kind], lb.ARN, bucket, prefix})
			}
		}
	}
	return out
}

// source is what lines come from.
type source struct {
	kind     line.Kind
	balancer string
	node     netip.Addr
}

// stream is a log of a node. Its files go where its description says.
type stream struct {
	Log
	Node    netip.Addr
	files   *spool.Stream
	pending []byte // only Flush uses it
}

// Collector is a report.Sink whose lines end in files.
type Collector struct {
	log      *slog.Logger
	interval time.Duration
	full     func() bool // the disk has no room for logs
	spool    *spool.Spool

	shards  []shard
	dropped atomic.Uint64
	wake    chan struct{} // gets a value when a shard is half full

	mu      sync.Mutex // of what follows; who finds a stream doesn't need it
	wanted  map[source]Log
	streams atomic.Pointer[map[source]*stream]

	flushing sync.Mutex // one Flush at a time
}

// shard is a part of the lines that aren't in files yet.
type shard struct {
	mu    sync.Mutex
	lines []byte
	parts []part
	spare []byte // for lines, when these are taken
	_     [64]byte
}

// part is whose the lines up to an end are.
type part struct {
	of  *stream
	end int
}

// Open opens the collector of a directory. Lines that an earlier process left there are delivered.
func Open(dir string, interval time.Duration, full func() bool, log *slog.Logger) (*Collector, error) {
	files, err := spool.Open(dir, spool.Limits{File: perFile, Total: onDisk})
	if err != nil {
		return nil, err
	}
	c := &Collector{
		log: log, interval: interval, full: full, spool: files, shards: make([]shard, runtime.GOMAXPROCS(0)), wake: make(chan struct{}, 1), wanted: map[source]Log{},
	}
	c.streams.Store(&map[source]*stream{})
	return c, nil
}

// Configure says which logs are wanted from now on. Lines of others are not taken, and
// what was collected of them goes where it would have gone.
func (c *Collector) Configure(want []Log) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wanted := map[source]Log{}
	for _, l := range want {
		wanted[source{kind: l.Kind, balancer: l.Balancer}] = l
	}
	old := *c.streams.Load()
	kept := map[source]*stream{}
	for from, s := range old {
		if wanted[source{kind: from.kind, balancer: from.balancer}] == s.Log {
			kept[from] = s
		}
	}
	c.wanted = wanted
	if len(kept) != len(old) {
		c.streams.Store(&kept)
	}
}

// find returns the stream of a source, nil when its log isn't wanted.
func (c *Collector) find(from source) *stream {
	if s := (*c.streams.Load())[from]; s != nil {
		return s
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	all := *c.streams.Load()
	if s := all[from]; s != nil {
		return s
	}
	l, ok := c.wanted[source{kind: from.kind, balancer: from.balancer}]
	if !ok {
		return nil
	}
	s := &stream{Log: l, Node: from.node}
	grown := maps.Clone(all)
	grown[from] = s
	c.streams.Store(&grown)
	return s
}

// name is what a stream's directory is called.
func (s *stream) name() string {
	sum := sha256.Sum256([]byte(s.Bucket + "/" + s.Prefix))
	return strings.NewReplacer("/", ".", ":", "-").Replace(strings.Join([]string{string(s.Kind), line.Balancer(s.Balancer), s.Node.String(), hex.EncodeToString(sum[:4])}, "~"))
}

var rooms = sync.Pool{New: func() any { return new([]byte) }}

// Request implements report.Sink.
func (c *Collector) Request(r *report.Request) {
	if s := c.find(source{line.Access, r.Balancer, r.Node}); s != nil {
		c.put(s, func(out []byte) []byte { return line.Request(out, r) })
	}
}

// Connection implements report.Sink.
func (c *Collector) Connection(r *report.Connection) {
	if s := c.find(source{line.Conn, r.Balancer, r.Node}); s != nil {
		c.put(s, func(out []byte) []byte { return line.Connection(out, r) })
	}
}

// Check implements report.Sink.
func (c *Collector) Check(r *report.Check) {
	if s := c.find(source{line.Health, r.Balancer, r.Node}); s != nil {
		c.put(s, func(out []byte) []byte { return line.Check(out, r) })
	}
}

// put puts a line aside. It is written before a shard is taken, so that nobody waits for
// that, and a shard that somebody has is passed over.
func (c *Collector) put(of *stream, write func([]byte) []byte) {
	room := rooms.Get().(*[]byte)
	defer rooms.Put(room)
	*room = write((*room)[:0])
	first := rand.IntN(len(c.shards))
	for i := range c.shards {
		s := &c.shards[(first+i)%len(c.shards)]
		if s.mu.TryLock() {
			c.add(s, of, *room)
			s.mu.Unlock()
			return
		}
	}
	s := &c.shards[first]
	s.mu.Lock()
	c.add(s, of, *room)
	s.mu.Unlock()
}

// add adds a line to a shard that the caller has.
func (c *Collector) add(s *shard, of *stream, text []byte) {
	most := inMemory / len(c.shards)
	if len(s.lines)+len(text) > most {
		c.dropped.Add(1)
		return
	}
	s.lines = append(s.lines, text...)
	if n := len(s.parts); n > 0 && s.parts[n-1].of == of {
		s.parts[n-1].end = len(s.lines)
	} else {
		s.parts = append(s.parts, part{of, len(s.lines)})
	}
	if len(s.lines) > most/2 {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// Flush puts the lines that were put aside into files.
func (c *Collector) Flush(now time.Time) error {
	c.flushing.Lock()
	defer c.flushing.Unlock()
	var touched []*stream
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		lines, parts := s.lines, s.parts
		s.lines, s.parts, s.spare = s.spare[:0], nil, nil
		s.mu.Unlock()
		begin := 0
		for _, p := range parts {
			if len(p.of.pending) == 0 {
				touched = append(touched, p.of)
			}
			p.of.pending = append(p.of.pending, lines[begin:p.end]...)
			begin = p.end
		}
		s.mu.Lock()
		s.spare = lines[:0]
		s.mu.Unlock()
	}
	until := now.Truncate(c.interval).Add(c.interval)
	var errs []error
	for _, s := range touched {
		if err := c.store(s, until); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// store puts a stream's lines into its file. Lines that have no room are dropped.
func (c *Collector) store(s *stream, until time.Time) (err error) {
	defer func() { s.pending = nil }()
	if c.full != nil && c.full() {
		c.dropped.Add(lines(s.pending))
		return nil
	}
	if s.files == nil {
		if s.files, err = c.spool.Stream(s.name(), about{s.Log, s.Node}); err != nil {
			c.dropped.Add(lines(s.pending))
			return err
		}
	}
	if err := s.files.Append(s.pending, until); err != nil {
		c.dropped.Add(lines(s.pending))
		return err
	}
	return nil
}

func lines(text []byte) (n uint64) {
	for _, c := range text {
		if c == '\n' {
			n++
		}
	}
	return n
}

// about is what the directory of a stream says of it.
type about struct {
	Log
	Node netip.Addr
}

// Dropped is how many lines were lost since the process began: they had no room in memory or on disk, or couldn't be delivered for too long.
func (c *Collector) Dropped() uint64 { return c.dropped.Load() + c.spool.Lost() }

// Close puts all lines into files, and ends these: nothing is lost when the process ends in order.
func (c *Collector) Close() error {
	return errors.Join(c.Flush(time.Now()), c.spool.End())
}
