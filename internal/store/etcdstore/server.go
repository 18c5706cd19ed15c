package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/mirror"
)

const (
	mib = 1 << 20
	// segment is the size that etcd's log grows by; it allocates one ahead.
	segment = 16 * mib
	// minFree is what must be free on the disk for a write: etcd ends the whole
	// process when it can't extend its log, so it must not come to that.
	minFree = 2 * segment
	// closeFailed bounds the wait for an etcd that has failed.
	closeFailed = 2 * time.Second
	// quota bounds etcd's database.
	quota = 4 << 30
)

// smallSegments makes etcd's log allocate little. etcd has this as a variable
// of its package only.
var smallSegments = sync.OnceFunc(func() { wal.SegmentSizeBytes = segment })

// server is an etcd inside this process, that only this process can reach.
type server struct {
	etcd   *embed.Etcd
	dir    string
	on     atomic.Pointer[string] // a directory of the disk whose room counts
	lock   *os.File
	failed chan error
	broken chan struct{} // closed when it has failed
	once   sync.Once     // it fails once
	log    *slog.Logger

	reserve *reserve
	lacking string // why files could not be allocated ahead; of who provides

	mu        sync.Mutex
	reclaimed time.Time
}

// start starts the etcd of a data directory and waits until it is ready.
func start(ctx context.Context, cfg Config) (*server, error) {
	smallSegments()
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &server{dir: cfg.Dir, lock: lock, failed: make(chan error, 1), broken: make(chan struct{}), log: cfg.Logger}
	s.on.Store(&s.dir)
	short, err := s.prepare()
	if err == nil {
		s.etcd, err = s.launch(settings(cfg, short, s.fail))
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("start etcd in %s: %w", cfg.Dir, err)
	}
	select {
	case <-s.etcd.Server.ReadyNotify():
		s.provideAlways()
		return s, nil
	case err = <-s.failed:
	case err = <-s.etcd.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.close()
	return nil, fmt.Errorf("start etcd in %s: %w", cfg.Dir, err)
}

// launch starts etcd, which ends the goroutine where it would end the process.
func (s *server) launch(c *embed.Config) (etcd *embed.Etcd, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err = errors.New("it gave up")
		etcd, err = embed.StartEtcd(c)
	}()
	<-done
	select {
	case err = <-s.failed:
	default:
	}
	return etcd, err
}

// prepare looks at the disk before etcd starts: one that is there opens on a full
// disk, too; a new one needs room. Short says that there is none to spare.
func (s *server) prepare() (short bool, err error) {
	size, err := s.disk()
	if err != nil {
		return false, err
	}
	s.reserve = openReserve(s.dir, reserveSize(size))
	err = s.room(false)
	if _, there := os.Stat(s.database()); errors.Is(err, store.ErrFull) && there == nil {
		short, err = true, s.reserve.lend(startSlice, time.Now())
	}
	if err != nil {
		return short, err
	}
	return short, s.dropSpoiled()
}

// settings are those of a lone member that nobody else talks to: it listens
// nowhere, and elects itself at once. Where room is short it makes no copy of
// its database, and puts off the small files that say how far it is.
func settings(cfg Config, short bool, fail func(error)) *embed.Config {
	c := embed.NewConfig()
	c.Name = "skylift"
	c.Dir = cfg.Dir
	nowhere := url.URL{Scheme: "http", Host: "127.0.0.1:1"} // it must have an address; nobody asks for it
	c.ListenPeerUrls, c.ListenClientUrls = nil, nil
	c.AdvertisePeerUrls, c.AdvertiseClientUrls = []url.URL{nowhere}, []url.URL{nowhere}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.EnableGRPCGateway = false
	// A tick wakes the process also when nothing is to be done; a fifth of the election is the longest that etcd takes.
	c.TickMs, c.ElectionMs = 20, 100
	c.BootstrapDefragThresholdMegabytes = 64
	if short {
		c.BootstrapDefragThresholdMegabytes = 0 // none
	}
	c.QuotaBackendBytes = quota
	c.MaxTxnOps = 20_000
	c.MaxRequestBytes = 8 * mib
	c.SnapshotCount, c.SnapshotCatchUpEntries = 1_000, 100
	if short {
		c.SnapshotCount = 20_000
	}
	c.MaxSnapFiles, c.MaxWalFiles = 2, 2
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(quiet(cfg.Logger, fail))
	return c
}

// lockDir makes dir this process's own until the file is closed.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the store's directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the store's directory: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, fmt.Errorf("the store in %s is in use by another process: stop that, or use another directory", dir)
	}
	return nil, fmt.Errorf("lock %s: %w", dir, err)
}

func (s *server) client() *clientv3.Client { return v3client.New(s.etcd.Server) }

// reclaim gives back what etcd's database holds of the past, at most once a
// minute, and says whether it did.
func (s *server) reclaim(ctx context.Context, c *clientv3.Client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.reclaimed) < time.Minute {
		return false
	}
	s.reclaimed = time.Now()
	rev := s.etcd.Server.KV().Rev()
	if _, err := c.Compact(ctx, rev, clientv3.WithCompactPhysical()); err != nil {
		s.log.Error("compact etcd", "err", err)
	}
	if err := s.defrag(); err != nil {
		s.log.Error("defragment etcd", "err", err)
		return false
	}
	if _, err := c.AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		s.log.Error("disarm etcd's alarm", "err", err)
		return false
	}
	return true
}

// defrag makes the database as small as it can be, where the disk has room for
// the copy that this takes.
func (s *server) defrag() error {
	b := s.etcd.Server.Backend()
	free, err := s.free()
	if err != nil {
		return err
	}
	if need := b.SizeInUse() + minFree + s.reserve.missing(); free < need {
		return fmt.Errorf("%w: %d MiB are free, and a copy of the database needs %d", store.ErrFull, free/mib, need/mib)
	}
	return b.Defrag()
}

// fail is called by etcd, from any goroutine and with its locks held, where it
// would end the process.
func (s *server) fail(err error) {
	s.once.Do(func() {
		s.failed <- err
		close(s.broken)
	})
}

// report closes rows, and with it the store, when the server has failed.
func (s *server) report(ctx context.Context, rows *mirror.Mirror) {
	var err error
	select {
	case err = <-s.failed:
	case err = <-s.etcd.Err():
	case <-s.etcd.Server.StopNotify():
		err = errors.New("it stopped")
	case <-ctx.Done():
		return
	}
	s.log.Error("etcd failed", "err", err)
	rows.Close(fmt.Errorf("%w: etcd failed: %w", store.ErrClosed, err))
}

// close ends etcd. One that has failed may hold its own locks for ever: what is
// on disk is as after a crash, and the process is about to end.
func (s *server) close() {
	s.within(closeFailed, func() {
		s.etcd.Close()
		s.lock.Close()
	})
}

// within waits until f has returned, but once etcd has failed no longer than most. It says whether f has.
func (s *server) within(most time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-s.broken:
	}
	select {
	case <-done:
		return true
	case <-time.After(most):
		return false
	}
}
