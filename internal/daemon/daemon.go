package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/credential"
	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/edge"
	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/gateway/denial"
	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/logstore"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/ecr/scan/vulndb"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/elbv2/logs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/etcdstore"
	"github.com/skylift/skylift/internal/vpc"
)

// Serve runs Skylift until ctx ends. Tasks run on. An error says in a sentence
// what is missing and how to mend it.
func Serve(ctx context.Context, c Config) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	frugal()
	lock, err := instance.Acquire(c.DataDir)
	if err != nil {
		return err
	}
	defer lock.Release()
	ln, err := c.listen()
	if err != nil {
		return err
	}
	defer ln.Close()
	_, err = instance.Load(c.DataDir)
	first := errors.Is(err, instance.ErrNone)
	is, err := instance.Settle(c.DataDir, c.instance())
	if err != nil {
		return err
	}
	key, err := credential.LoadOrCreate(c.DataDir)
	if err != nil {
		return err
	}
	m, err := open(ctx, c, is)
	if err != nil && first { // the next try may choose another range, say
		return errors.Join(err, m.undo(ctx))
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	p, err := build(ctx, m, credential.Root{Key: key, Account: is.AccountID}, ln)
	if err != nil {
		return err
	}
	c.Log.Info("Skylift starts", "version", c.Version, "listen", c.Listen, "account", is.AccountID, "region", is.Region, "instance", is.ID, "engine", about(m.Engine))
	err = together(ctx, p)
	c.Log.Info("Skylift ends; tasks run on")
	return err
}

// frugal leaves memory to the tasks: the heap is collected when it has grown by
// half, where Go waits until it has doubled. GOGC overrides that.
func frugal() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// machine is what Skylift stands on: the store and the mechanisms.
type machine struct {
	Config
	is instance.Instance
	ns arn.Namespace
	db store.DB
	// root is the root key pair.
	root credential.Root
	// ring seals what must not be readable in records.
	ring *seal.Ring
	Host
	lb *edge.Edge
	// collector has the lines of balancers' logs, and delivery brings them to buckets.
	collector *logs.Collector
	delivery  *logs.Deliverer
	events    *logstore.Store
	// refusals are the calls that policy denied last.
	refusals *denial.Log
	// vulnerabilities are what images are scanned for.
	vulnerabilities *vulndb.DB
	disk            *disk.Watch
	// encrypted says that what is written to the data directory is encrypted on disk.
	encrypted bool
	capacity  *place.Ledger
	limits    limits
	tasks     taskRanges
	ready     atomic.Bool                 // set when the load balancers answer
	names     *names                      // what is answered about names
	loaded    atomic.Pointer[table.Table] // what the load balancers answer by; nil before the first
}

// open opens everything, or nothing.
func open(ctx context.Context, c Config, is instance.Instance) (m *machine, err error) {
	m = &machine{Config: c, is: is, ns: arn.Namespace{Region: is.Region, Account: is.AccountID}, vulnerabilities: vulndb.New(c.Vulnerabilities, c.Log)}
	m.tasks.set([]netip.Prefix{is.VPCCIDR})
	if m.limits, err = newLimits(c, m.tasks.contain); err != nil {
		return m, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	host := c.OpenHost
	if host == nil {
		host = thisHost
	}
	if m.Host, err = host(ctx, c, is); err != nil {
		return m, err
	}
	thaw, err := m.still(ctx)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, thaw()) }()
	db, err := etcdstore.Open(ctx, etcdstore.Config{Dir: filepath.Join(c.DataDir, storeDir), Endpoints: c.EtcdEndpoints, Logger: c.Log})
	if err != nil {
		return m, err
	}
	m.db = db
	if err := upgradeRecords(ctx, db, c.Log); err != nil {
		return m, err
	}
	if m.ring, err = seal.Load(ctx, db, c.root()); err != nil {
		return m, err
	}
	m.capacity = place.New(m.Offers, ecs.Holdings(db))
	if m.refusals, err = denial.Open(filepath.Join(c.DataDir, refusalsDir)); err != nil {
		return m, err
	}
	if m.events, err = logstore.Open(filepath.Join(c.DataDir, logsDir), c.Log); err != nil {
		return m, fmt.Errorf("open the log store: %w", err)
	}
	if err = m.watchDisk(); err != nil {
		return m, err
	}
	full := func() bool { return m.disk.Reached(disk.NoLogs) }
	if m.collector, err = logs.Open(filepath.Join(c.DataDir, balancerLogsDir), cmp.Or(c.AccessLogInterval, logs.Interval), full, c.Log); err != nil {
		return m, err
	}
	m.lb = edge.New(edge.Config{
		Sink: m.collector,
		Log:  c.Log, Clients: m.limits.clients, MaxTargets: m.limits.budget.Targets, MaxChecks: m.limits.budget.Checks,
		CookieKey: m.ring.For("edge").Key("cookies"),
	})
	return m, nil
}

// undo gives back what a first start took of the host before it failed: nobody
// would find that instance again.
func (m *machine) undo(ctx context.Context) error {
	var err error
	if m.Network != nil {
		err = vpc.Purge(context.WithoutCancel(ctx), m.is.ID)
	}
	if m.Engine != nil { // it has made cgroups
		is, loaded := instance.Load(m.DataDir) // with the engine that was chosen
		err = errors.Join(err, loaded, removeTasks(context.WithoutCancel(ctx), m.Config, is, true))
	}
	return errors.Join(err, instance.Discard(m.DataDir))
}

func (m *machine) close() error {
	var errs []error
	if m.refusals != nil {
		errs = append(errs, m.refusals.Close())
	}
	if m.collector != nil { // the balancers have ended: there are no more lines
		errs = append(errs, m.collector.Close())
	}
	if m.events != nil {
		errs = append(errs, m.events.Close())
	}
	if m.db != nil {
		errs = append(errs, m.db.Close())
	}
	if m.Engine != nil {
		errs = append(errs, m.Engine.Close())
	}
	return errors.Join(errs...)
}
