// Command simulated is Skylift on a host that isn't there: its APIs, store and
// loops are the program's own, its containers and interfaces entries in memory.
//
// The benchmark runs it to see what Skylift itself costs with more tasks than
// any machine has room for.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	_ "net/http/pprof"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/daemon"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/service/ec2"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/etcdstore"
)

func main() {
	c := daemon.Config{
		CPUOvercommit: 1, Region: "us-west-2", AccountID: "111122223333", VPCCIDR: netip.MustParsePrefix("172.31.0.0/16"), Version: "simulated",
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	script := fake.Config{}
	flag.StringVar(&c.DataDir, "data-dir", "", "the data directory")
	flag.StringVar(&c.Listen, "listen", "127.0.0.1:4566", "address of the APIs")
	flag.TextVar(&c.LBAddress, "lb-address", netip.MustParseAddr("127.0.0.1"), "address of the load balancers")
	flag.DurationVar(&script.Latency, "latency", 10*time.Millisecond, "how long the engine takes for a call")
	profile := flag.String("pprof", "", "address to serve profiles of the program at, as go tool pprof reads them")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c.OpenHost = func(context.Context, daemon.Config, instance.Instance) (daemon.Host, error) {
		return daemon.Host{Offers: place.Size{CPU: math.MaxInt, Memory: math.MaxInt}, Engine: engine{fake.New(script)}, Network: network{}}, nil
	}
	if *profile != "" {
		go func() { c.Log.Error("profiles end", "err", http.ListenAndServe(*profile, nil)) }() // net/http/pprof is in the default mux
	}
	err := widen(ctx, c)
	if err == nil {
		err = daemon.Serve(ctx, c)
	}
	if err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "simulated:", err)
		os.Exit(1)
	}
}

// widen gives the default VPC as many subnets as it has room for, before the
// first start: the default ones have addresses for 12,273 tasks.
func widen(ctx context.Context, c daemon.Config) (err error) {
	db, err := etcdstore.Open(ctx, etcdstore.Config{Dir: filepath.Join(c.DataDir, "etcd"), Logger: c.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := ec2api.New(db, arn.Namespace{Region: c.Region, Account: c.AccountID}, ec2api.Host{CIDR: c.VPCCIDR}).EnsureDefaults(ctx); err != nil {
		return err
	}
	return db.Update(ctx, func(tx store.Tx) error {
		had, err := ec2.Subnets.List(tx, "")
		if err != nil {
			return err
		}
		base := c.VPCCIDR.Addr().As4()
		for i := len(had); i < 16; i++ {
			s := had[i%len(had)]
			s.ID = "subnet-" + id.Hex(17)
			binary.BigEndian.PutUint16(base[2:], uint16(i)<<12)
			s.CIDR = netip.PrefixFrom(netip.AddrFrom4(base), 20)
			if err := ec2.Subnets.Put(tx, s.ID, s); err != nil {
				return err
			}
		}
		return nil
	})
}
