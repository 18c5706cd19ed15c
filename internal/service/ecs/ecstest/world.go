// Package ecstest is a kit for tests of ECS: all of it over a store in memory and a simulated engine, in simulated time.
package ecstest

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/ecs/assembly"
	"github.com/skylift/skylift/internal/service/ecs/monitor"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/ecs/role"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// World is the whole of ECS over a store in memory and a simulated engine:
// the API, the real loops, and stand-ins for what other services do.
type World struct {
	T          *testing.T
	DB         store.DB
	Engine     *fake.Engine
	Size       place.Size // of the machine
	Capacity   *place.Ledger
	Balancing  *Balancing
	Network    *Network
	API        *api.API
	Logs       *Logs
	Files      *Files
	Inputs     *Inputs
	Registries *Registries
	Roles      role.Roles         // who may have which; nil: no task may have one
	Disk       monitor.Pressure   // of the disk; nil: nobody watches it
	Retention  time.Duration      // how long stopped tasks are described
	Mood       func() error       // spoils what the loops do, if not nil
	Stop       context.CancelFunc // ends the loops, as the end of the process does
	Done       chan struct{}
}

// Play runs f in a bubble of simulated time.
func Play(t *testing.T, script fake.Config, f func(w *World)) {
	t.Helper()
	t.Parallel()
	if _, err := Declared(); err != nil { // it takes long, in which loops would go on
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		w := &World{T: t, DB: db, Engine: fake.New(script), Balancing: newBalancing(), Network: &Network{IDs: map[string]ecs.ENI{}}, Logs: &Logs{}, Files: &Files{Tasks: map[string][]run.FileMount{}, gone: map[string]bool{}}, Inputs: newInputs(), Registries: &Registries{}, Retention: 24 * time.Hour}
		w.Size = place.Size{CPU: 1 << 20, Memory: 1 << 20}
		w.Start()
		defer func() {
			w.Halt()
			_ = db.Close()
		}()
		if _, err := w.API.CreateCluster(t.Context(), &sdk.CreateClusterInput{}); err != nil {
			t.Fatal(err)
		}
		f(w)
	})
}

// Start runs the loops, as the start of the process does.
func (w *World) Start() {
	ctx, stop := context.WithCancel(context.Background())
	db := w.DB
	if w.Mood != nil {
		db = moody{w.DB, w.Mood}
	}
	w.Network.Mood, w.Balancing.Mood = w.Mood, w.Mood
	w.Capacity = place.New(w.Size, ecs.Holdings(w.DB))
	c := assembly.Config{
		DB: w.DB, Namespace: arn.Namespace{Region: "us-west-2", Account: "111122223333"}, Engine: w.Engine, Capacity: w.Capacity,
		Subnets: w.Network, Network: w.Network, Balancing: w.Balancing, Health: w.Balancing.Follow, Images: pictures{w.Engine}, Logs: w.Logs, Files: w.Files, Inputs: w.Inputs.Reader(), Registries: w.Registries, Roles: w.roles(),
		Disk: w.Disk, Retention: w.Retention, Log: slog.New(slog.DiscardHandler),
	}
	w.API = assembly.New(c).API
	c.DB = db
	loops := assembly.New(c).Loops
	w.Stop, w.Done = stop, make(chan struct{})
	go func() {
		defer close(w.Done)
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.Capacity.Run(ctx) })
		for _, l := range loops {
			wg.Go(func() { _ = l.Run(ctx) })
		}
		wg.Wait()
	}()
	synctest.Wait() // the ledger has read what there is
}

// Halt ends the loops, as the end of the process does.
func (w *World) Halt() {
	w.Stop()
	<-w.Done
}

// Restart ends the process and starts it anew.
func (w *World) Restart() {
	w.Halt()
	w.Start()
}

func (m moody) Update(ctx context.Context, f func(store.Tx) error) error {
	if err := m.Mood(); err != nil {
		return err
	}
	if err := m.DB.Update(ctx, f); err != nil {
		return err
	}
	return m.Mood()
}

var stamp = regexp.MustCompile(`"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"`)

// SetClock has the machine's clock jump: simulated time can't, so all that was
// written down jumps the other way, which is the same to who reads it.
func (w *World) SetClock(by time.Duration) {
	w.T.Helper()
	err := w.DB.Update(w.T.Context(), func(tx store.Tx) error {
		for k, v := range tx.Scan("r/ecs-", "") {
			tx.Put(k, stamp.ReplaceAllFunc([]byte(v.String()), func(b []byte) []byte {
				at, err := time.Parse(time.RFC3339Nano, strings.Trim(string(b), `"`))
				if err != nil || at.IsZero() {
					return b
				}
				return fmt.Appendf(nil, "%q", at.Add(-by).Format(time.RFC3339Nano))
			}))
		}
		return nil
	})
	if err != nil {
		w.T.Fatal(err)
	}
}

// Fill makes the store full, or ends that.
func (w *World) Fill(full bool) { w.DB.(*memstore.DB).Fill(full) }

// OnMachine counts the tasks that the engine has something of.
func (w *World) OnMachine() int {
	w.T.Helper()
	all, err := w.Engine.List(w.T.Context())
	if err != nil {
		w.T.Fatal(err)
	}
	return len(all)
}

// moody is a store whose answers mood spoils.
type moody struct {
	store.DB
	Mood func() error
}

// Sec is n seconds.
func Sec(n int) time.Duration { return time.Duration(n) * time.Second }

// After lets so much time pass, and all that happens in it.
func (w *World) After(d time.Duration) {
	time.Sleep(d) // simulated
	synctest.Wait()
}

// Unsupported is the error for members that the operation of in doesn't take.
func Unsupported(w *World, in any) error {
	w.T.Helper()
	s, err := Declared()
	if err != nil {
		w.T.Fatal(err)
	}
	return s.Refusal(w.T, in)
}

// Declared is what the operations declare.
var Declared = sync.OnceValues(func() (*wiretest.Service, error) {
	return wiretest.New("ecs", api.New(nil, arn.Namespace{}, nil, nil, nil, nil, nil).Operations())
})

// Trouble lets steps of time pass in which things go wrong.
func (w *World) Trouble(r *rand.Rand, steps int, check func()) {
	for range steps {
		switch r.IntN(6) {
		case 0:
			w.Halt()
			w.Start()
		case 1:
			w.Engine.LoseAnswers([]string{"Create", "Start", "Signal", "Tail", "Remove"}[r.IntN(5)], 1)
		case 2:
			w.Engine.GoAway()
			w.After(Sec(1))
			w.Engine.ComeBack()
		}
		w.After(time.Duration(r.IntN(600)) * time.Millisecond)
		check()
	}
}

// Shrink gives the machine room for n tasks of web.
func (w *World) Shrink(n int) {
	w.Halt()
	w.Size = place.Size{CPU: 256, Memory: 512}.Times(n)
	w.Start()
}
