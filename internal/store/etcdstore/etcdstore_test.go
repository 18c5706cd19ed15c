package etcdstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/storetest"
)

// cluster is what stands for an external cluster in these tests: an etcd with
// its default limits that listens on a socket.
var cluster string

func TestMain(m *testing.M) {
	if dir := os.Getenv("ETCDSTORE_TEST_CRASH"); dir != "" {
		crash(dir)
	}
	os.Exit(withCluster(m.Run))
}

func withCluster(run func() int) int {
	dir, err := os.MkdirTemp("", "etcdstore")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	smallSegments()
	c := settings(Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)}, false, func(err error) { panic(err) })
	c.MaxTxnOps, c.MaxRequestBytes = embed.DefaultMaxTxnOps, embed.DefaultMaxRequestBytes
	loopback, _ := url.Parse("http://127.0.0.1:0")
	c.ListenClientUrls = []url.URL{*loopback}
	e, err := embed.StartEtcd(c)
	if err != nil {
		panic(err)
	}
	defer e.Close()
	<-e.Server.ReadyNotify()
	cluster = e.Clients[0].Addr().String()
	return run()
}

var prefixes atomic.Int32

func external(t *testing.T, prefix string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Endpoints: []string{cluster}, Prefix: prefix})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func embedded(t *testing.T, dir string) *DB {
	t.Helper()
	db, err := Open(t.Context(), Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func freshPrefix() string { return fmt.Sprintf("test%d", prefixes.Add(1)) }

func TestExternal(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.DB { return external(t, freshPrefix()) })
}

func TestEmbedded(t *testing.T) {
	t.Parallel()
	slots := make(chan struct{}, 4) // each is an etcd of its own
	storetest.Run(t, func(t *testing.T) store.DB {
		slots <- struct{}{}
		t.Cleanup(func() { <-slots })
		return embedded(t, t.TempDir())
	})
}

func TestReadyAndReopened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, want := range []map[string]string{{}, {"r/t/a": "1"}} {
		start := time.Now()
		db := embedded(t, dir)
		t.Logf("opening %d took %v", i, time.Since(start))
		if diff := cmp.Diff(want, storetest.Rows(t, db, "")); diff != "" {
			t.Errorf("opening %d: rows (-want +got):\n%s", i, diff)
		}
		storetest.Put(t, db, "r/t/a", "1")
		start = time.Now()
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("closing %d took %v", i, time.Since(start))
	}
}

func TestDirInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	embedded(t, dir)
	_, err := Open(t.Context(), Config{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("got %v, want an error that says it is in use", err)
	}
}

// crash acknowledges writes on stdout until it is killed.
func crash(dir string) {
	db, err := Open(context.Background(), Config{Dir: dir})
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		err := db.Update(context.Background(), func(tx store.Tx) error {
			tx.Put(fmt.Sprintf("r/t/%06d", i), []byte("v"))
			return nil
		})
		if err != nil {
			panic(err)
		}
		fmt.Printf("%06d\n", i)
	}
}

func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ETCDSTORE_TEST_CRASH="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last string
	for range 300 {
		if _, err := fmt.Fscanln(out, &last); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for { // what it acknowledged before it died
		var s string
		if _, err := fmt.Fscanln(out, &s); err != nil {
			break
		}
		last = s
	}
	_ = cmd.Wait() // killed
	start := time.Now()
	rows := storetest.Rows(t, embedded(t, dir), "r/t/")
	t.Logf("reopened in %v with %d rows, %s acknowledged", time.Since(start), len(rows), last)
	if _, ok := rows["r/t/"+last]; !ok {
		t.Errorf("%s was acknowledged and is lost", last)
	}
}

// TestCompacted cuts a store off its watch, changes rows behind its back and
// compacts: it must see every change all the same.
func TestCompacted(t *testing.T) {
	t.Parallel()
	prefix := freshPrefix()
	writer := external(t, prefix)
	storetest.Put(t, writer, "r/t/changed", "1")
	storetest.Put(t, writer, "r/t/deleted", "1")
	storetest.Put(t, writer, "r/t/kept", "1")

	db := external(t, prefix)
	db.stop()
	db.wg.Wait()
	storetest.Put(t, writer, "r/t/changed", "2")
	storetest.Put(t, writer, "r/t/deleted", "")
	storetest.Put(t, writer, "r/t/created", "1")
	if _, err := writer.client.Compact(t.Context(), writer.rows.Latest().Rev); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got, done := make(map[string]string), make(chan error, 1)
	seen := make(chan store.Batch, 10)
	go func() {
		done <- db.Follow(ctx, "r/t/", func(b store.Batch) error { seen <- b; return nil })
	}()
	first := <-seen
	if !first.Reset || len(first.Changes) != 3 {
		t.Errorf("first batch: %+v, want the three rows of before", first)
	}
	run, stop := context.WithCancel(t.Context())
	db.stop = stop
	db.wg.Go(func() { db.watch(run) })
	for _, c := range (<-seen).Changes {
		got[c.Key] = c.Value.String()
	}
	if diff := cmp.Diff(map[string]string{"r/t/changed": "2", "r/t/deleted": "", "r/t/created": "1"}, got); diff != "" {
		t.Errorf("changes over the compaction (-want +got):\n%s", diff)
	}
	storetest.Put(t, writer, "r/t/after", "1")
	if c := (<-seen).Changes; len(c) != 1 || c[0].Key != "r/t/after" {
		t.Errorf("after the compaction came %+v", c)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Follow ended with %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	db := external(t, freshPrefix())
	for name, f := range map[string]func(store.Tx) error{
		"writes": func(tx store.Tx) error {
			for i := range 200 {
				tx.Put(fmt.Sprint("r/t/", i), []byte("v"))
			}
			return nil
		},
		"bytes": func(tx store.Tx) error {
			tx.Put("r/t/a", make([]byte, 1600<<10))
			return nil
		},
	} {
		if err := db.Update(t.Context(), f); !errors.Is(err, store.ErrTooLarge) {
			t.Errorf("%s: got %v, want ErrTooLarge", name, err)
		}
	}
	if rows := storetest.Rows(t, db, ""); len(rows) != 0 {
		t.Errorf("%d rows were written", len(rows))
	}
}

// TestTwoProcesses has two stores on one cluster count the same row.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	prefix := freshPrefix()
	a, b := external(t, prefix), external(t, prefix)
	done := make(chan error, 2)
	for _, db := range []*DB{a, b} {
		go func() {
			for range 50 {
				err := db.Update(t.Context(), func(tx store.Tx) error {
					n, _ := tx.Get("r/t/n")
					tx.Put("r/t/n", []byte(n.String()+"."))
					return nil
				})
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	if err := errors.Join(<-done, <-done); err != nil {
		t.Fatal(err)
	}
	if err := a.rows.Wait(t.Context(), b.rows.Latest().Rev); err != nil {
		t.Fatal(err)
	}
	if n := len(storetest.Rows(t, a, "")["r/t/n"]); n != 100 {
		t.Errorf("counted %d, want 100", n)
	}
}

func TestLostLease(t *testing.T) {
	t.Parallel()
	db := external(t, freshPrefix())
	err := db.Lead(t.Context(), "x", func(ctx context.Context) error {
		resp, err := db.client.Get(ctx, db.prefix+"l/x", clientv3.WithPrefix())
		if err != nil || len(resp.Kvs) != 1 {
			t.Fatalf("the election has %v, %v", resp, err)
		}
		if _, err := db.client.Revoke(ctx, clientv3.LeaseID(resp.Kvs[0].Lease)); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		return context.Cause(ctx)
	})
	if !errors.Is(err, store.ErrLostLead) {
		t.Errorf("got %v, want ErrLostLead", err)
	}
}

func TestEtcdFails(t *testing.T) {
	t.Parallel()
	db := embedded(t, t.TempDir())
	db.server.fail(errors.New("no space left on device"))
	err := db.Follow(t.Context(), "", func(store.Batch) error { return nil })
	if !errors.Is(err, store.ErrClosed) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("Follow ended with %v, want why etcd failed", err)
	}
}

func TestReclaim(t *testing.T) {
	t.Parallel()
	db := embedded(t, filepath.Join(t.TempDir(), "made"))
	storetest.Put(t, db, "r/t/a", "1")
	storetest.Put(t, db, "r/t/a", "2")
	if !db.server.reclaim(t.Context(), db.client) {
		t.Error("nothing reclaimed")
	}
	storetest.Put(t, db, "r/t/a", "3")
}

func BenchmarkUpdate(b *testing.B) {
	db, err := Open(b.Context(), Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for i := range b.N {
		err := db.Update(b.Context(), func(tx store.Tx) error {
			tx.Put(fmt.Sprint("r/t/", i%100), fmt.Append(nil, i))
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
