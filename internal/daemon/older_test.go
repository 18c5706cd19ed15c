package daemon

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/instance"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/etcdstore"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/vpc"
)

// older is a data directory of 0.1.0, killed in the middle of its work, with
// what it said of itself before, at olderAt.
const (
	older   = "testdata/0.1.0.tar.gz"
	olderAt = "127.0.0.1:4705"
)

// fakeHost is a host that isn't there.
func fakeHost(context.Context, Config, instance.Instance) (Host, error) {
	return Host{Offers: place.Size{CPU: math.MaxInt, Memory: math.MaxInt}, Engine: fakeEngine{fake.New(fake.Config{})}, Network: fakeNetwork{}}, nil
}

type fakeEngine struct{ *fake.Engine }

func (fakeEngine) Close() error { return nil }

// fakeNetwork carries nothing.
type fakeNetwork struct{}

func (fakeNetwork) Attach(context.Context, vpc.Interface) error             { return nil }
func (fakeNetwork) AttachHost(context.Context, string, netip.Addr) error    { return nil }
func (fakeNetwork) Detach(context.Context, string) error                    { return nil }
func (fakeNetwork) List(context.Context) ([]vpc.Attached, error)            { return nil, nil }
func (fakeNetwork) Apply(context.Context, *vpc.Ruleset) ([]vpc.Flow, error) { return nil, nil }
func (fakeNetwork) Listen(context.Context, netip.AddrPort) (net.Listener, error) {
	return net.Listen("tcp", "127.0.0.1:0")
}

func (fakeNetwork) ListenPacket(context.Context, netip.AddrPort) (*net.UDPConn, error) {
	return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
}
func (fakeNetwork) Run(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }

// serveOlder runs Skylift on a data directory until the test ends.
func serveOlder(t *testing.T, dir string) (listen string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("not root")
	}
	ln := ok(net.Listen("tcp", "127.0.0.1:0"))(t)
	listen = ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	c := Config{
		CPUOvercommit: 1, Region: "us-west-2", VPCCIDR: netip.MustParsePrefix("172.31.0.0/16"), Listen: listen, DataDir: dir,
		LBAddress:            netip.AddrFrom4([4]byte{127, 9, byte(1 + rand.IntN(250)), byte(1 + rand.IntN(250))}),
		StoppedTaskRetention: 250 * 365 * 24 * time.Hour, // the archive gets old
		OpenHost:             fakeHost, Log: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, c) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	(&user{listen: listen}).ready(t)
	return listen
}

func (u *user) ready(t *testing.T) {
	t.Helper()
	u.until(t, "it is ready", func() bool {
		res, err := http.Get("http://" + u.listen + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// TestOlder opens what 0.1.0 wrote: all is there, and goes on.
func TestOlder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	unpack(t, older, dir)
	u := newUser(t, dir, serveOlder(t, dir))
	text := strings.ReplaceAll(string(ok(os.ReadFile(filepath.Join(dir, "answers.json")))(t)), olderAt, "LISTEN")
	var want answers
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	got := u.ask(t)
	running, stopped := want["running"].([]any), want["stopped"].([]any)
	delete(want, "running")
	delete(want, "stopped")
	for name, w := range want {
		for _, lack := range lacks(name, w, got[name]) {
			t.Error(lack)
		}
	}
	// The engine has none of the containers: the tasks are over, and those of
	// services are replaced.
	for _, arn := range running {
		u.until(t, arn.(string)+" has stopped", func() bool { return slices.Contains(u.tasks(t, "STOPPED"), arn.(string)) })
	}
	u.until(t, "the service has its tasks again", func() bool {
		return ok(u.ecs.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{"web"}}))(t).Services[0].RunningCount == 2
	})
	reasons := make(map[string]string)
	for _, arn := range stopped {
		out := ok(u.ecs.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn.(string)}}))(t)
		if len(out.Tasks) != 1 || *out.Tasks[0].LastStatus != "STOPPED" {
			t.Errorf("task %s, which had stopped: %+v", arn, out)
			continue
		}
		reasons[*out.Tasks[0].StoppedReason] = arn.(string)
	}
	if reasons["enough of it"] == "" {
		t.Errorf("the tasks that had stopped did for %v", reasons)
	}
	// Images are pulled and pushed as ever.
	if h := u.registry(t, http.MethodGet, "/v2/app/manifests/build-299", "", nil, http.StatusOK); h.Get("Docker-Content-Digest") == "" {
		t.Errorf("an image by its tag: %v", h)
	}
	u.push(t, "app", "new", image("one"))
	list := ok(u.ecr.DescribeImages(t.Context(), &ecr.DescribeImagesInput{RepositoryName: new("app"), ImageIds: []ecrtypes.ImageIdentifier{{ImageTag: new("new")}}}))(t)
	if n := len(list.ImageDetails[0].ImageTags); n != 302 {
		t.Errorf("the image has %d tags, want 302", n)
	}
}

// lacks says what of want isn't in got, which may have more members.
func lacks(at string, want, got any) (out []string) {
	switch w := want.(type) {
	case nil:
		return nil
	case map[string]any:
		g, is := got.(map[string]any)
		if !is {
			return []string{fmt.Sprintf("%s: %v, want %v", at, got, want)}
		}
		for k, v := range w {
			if k == "RunningTaskCount" || k == "PendingTaskCount" {
				continue // tasks are looked at by themselves
			}
			out = append(out, lacks(at+"."+k, v, g[k])...)
		}
		return out
	case []any:
		g, is := got.([]any)
		if !is && len(w) == 0 {
			return nil
		}
		if len(g) != len(w) {
			return []string{fmt.Sprintf("%s: %d, want %d: %v", at, len(g), len(w), got)}
		}
		for i := range w {
			out = append(out, lacks(fmt.Sprintf("%s[%d]", at, i), w[i], g[i])...)
		}
		return out
	}
	if want != got {
		return []string{fmt.Sprintf("%s: %v, want %v", at, got, want)}
	}
	return nil
}

// killed is a store whose process is killed after so many updates.
type killed struct {
	store.DB
	left int
}

var errKilled = errors.New("killed")

func (k *killed) Update(ctx context.Context, f func(store.Tx) error) error {
	if k.left--; k.left < 0 {
		return errKilled
	}
	return k.DB.Update(ctx, f)
}

// TestOlderRecords upgrades the records of 0.1.0 in etcd, with kills at all
// moments, and loses none, nor any member of one.
func TestOlderRecords(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	unpack(t, older, dir)
	at := func(f func(db store.DB)) {
		t.Helper()
		db := ok(etcdstore.Open(t.Context(), etcdstore.Config{Dir: filepath.Join(dir, "etcd")}))(t)
		f(db)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var was, is map[string]string
	at(func(db store.DB) { was = rows(t, db) })
	kills := 0
	for over := false; !over; {
		at(func(db store.DB) {
			err := store.Upgrade(t.Context(), &killed{DB: db, left: 1 + kills%4}, nil, tables()...)
			switch {
			case err == nil:
				over = true
			case !errors.Is(err, errKilled) || kills > 100:
				t.Fatal(err)
			}
			kills++
		})
	}
	at(func(db store.DB) {
		is = rows(t, db)
		if err := upgradeRecords(t.Context(), db, slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
	})
	if kills < 5 {
		t.Errorf("killed %d times", kills)
	}
	have := make(map[string]int)
	for _, table := range tables() {
		for key, row := range is {
			if !strings.HasPrefix(key, "r/"+table.Name()+"/") {
				continue
			}
			have[table.Name()]++
			record, err := table.Decode([]byte(row))
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			var before, after any
			if err := errors.Join(json.Unmarshal([]byte(row), &before), json.Unmarshal(ok(json.Marshal(record))(t), &after)); err != nil {
				t.Fatal(err)
			}
			for _, lack := range lacks(key, before, after) {
				t.Error("a member has gone, and the table has no new version: ", lack)
			}
		}
	}
	for _, table := range tables() {
		if have[table.Name()] == 0 && !later[table.Name()] {
			t.Errorf("the archive has no record of table %s", table.Name())
		}
	}
	for key := range was {
		if _, ok := is[key]; !ok && !strings.HasPrefix(key, "x/ecr-image/tag/") {
			t.Errorf("%s has gone", key)
		}
	}
}

// later are the tables that no archive has yet, because no release had them.
var later = map[string]bool{
	"acm-challenge": true, "acm-account": true,
	"seal-ring":       true,
	"acm-certificate": true, "acm-root": true,
	"ecr-cache-rule": true, "ecr-packages": true, "ecr-registry": true, "ecr-scan": true, "ecr-template": true,
	"iam-access-key": true, "iam-account": true, "iam-group": true, "iam-instance-profile": true, "iam-last-use": true,
	"iam-oidc-provider": true, "iam-policy": true, "iam-role": true, "iam-role-deletion": true, "iam-user": true,
	"servicediscovery-namespace": true, "servicediscovery-service": true, "servicediscovery-instance": true, "servicediscovery-operation": true,
	"route53-zone": true, "route53-set": true, "route53-change": true, "route53-check": true, "route53-health": true,
	"s3-bucket": true, "s3-object": true, "s3-version": true, "s3-upload": true, "s3-part": true,
	"kms-key": true, "kms-material": true, "kms-alias": true, "kms-grant": true,
	"ec2-nat-gateway": true, "ec2-network-acl": true, "ec2-dhcp-options": true, "ec2-vpc-endpoint": true, "ec2-vpc-peering": true,
	"ec2-prefix-list": true, "ec2-prefix-list-version": true, "ec2-elastic-address": true,
	"secretsmanager-secret": true, "secretsmanager-version": true, "ssm-parameter": true, "ssm-parameter-version": true,
}

// rows are all rows of a store.
func rows(t *testing.T, db store.DB) map[string]string {
	t.Helper()
	all := make(map[string]string)
	enough := errors.New("enough")
	err := db.Follow(t.Context(), "", func(b store.Batch) error {
		for _, c := range b.Changes {
			all[c.Key] = c.Value.String()
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Fatal(err)
	}
	return all
}

// TestTables: each table that a service declares is upgraded.
func TestTables(t *testing.T) {
	t.Parallel()
	known := make(map[string]bool)
	for _, table := range tables() {
		if known[table.Name()] {
			t.Errorf("table %s is there twice", table.Name())
		}
		known[table.Name()] = true
	}
	declared := regexp.MustCompile(`store\.NewTable(?:\[[^(]*\])?\("([^"]+)"`)
	found := 0
	declaring := func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(b, -1) {
			found++
			if name := string(m[1]); !known[name] {
				t.Errorf("%s: table %s is not among its service's Tables", path, name)
			}
		}
		return err
	}
	err := errors.Join(filepath.WalkDir("../service", declaring), filepath.WalkDir("../seal", declaring))
	if err != nil || found != len(known) {
		t.Errorf("found %d of %d tables: %v", found, len(known), err)
	}
}

// TestLaterRelease: what a later release wrote is refused before anything
// happens, and the error says what to do.
func TestLaterRelease(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	err := db.Update(t.Context(), func(tx store.Tx) error {
		tx.Put("r/table-version/ecs-task", []byte(`{"Version":99}`))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = upgradeRecords(t.Context(), db, slog.New(slog.DiscardHandler))
	if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "table ecs-task has version 99, and this release knows versions up to 2: start the release that wrote them") {
		t.Errorf("got %v", err)
	}
	if n := len(rows(t, db)); n != 1 {
		t.Errorf("%d rows, want 1: nothing is written", n)
	}
}

// TestWriteOlder makes what TestOlder opens, with the release that
// OLDER_PROGRAM names: a build of its test/bench/simulated. OLDER_TO is the
// archive that it writes.
func TestWriteOlder(t *testing.T) {
	t.Parallel()
	program, to := os.Getenv("OLDER_PROGRAM"), os.Getenv("OLDER_TO")
	if program == "" {
		t.Skip("OLDER_PROGRAM names no release to write a data directory with")
	}
	dir := filepath.Join(t.TempDir(), "data")
	cmd := exec.CommandContext(t.Context(), program, "-data-dir", dir, "-listen", olderAt, "-lb-address", "127.0.0.105", "-latency", "1ms")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	(&user{listen: olderAt}).ready(t)
	u := newUser(t, dir, olderAt)
	u.fill(t)
	a := u.ask(t)
	a["running"], a["stopped"] = u.tasks(t, "RUNNING"), u.tasks(t, "STOPPED")
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if err := os.WriteFile(filepath.Join(dir, "answers.json"), ok(json.MarshalIndent(a, "", " "))(t), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := pack(dir, to); err != nil {
		t.Fatal(err)
	}
}

// pack writes the files of dir into an archive.
func pack(dir, to string) (err error) {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zip, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, zip.Close()) }()
	out := tar.NewWriter(zip)
	defer func() { err = errors.Join(err, out.Close()) }()
	return out.AddFS(os.DirFS(dir))
}

// unpack writes what is in an archive below dir.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f := ok(os.Open(archive))(t)
	defer f.Close()
	in := tar.NewReader(ok(gzip.NewReader(f))(t))
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.FileInfo().IsDir() {
			if err := os.MkdirAll(path, fs.FileMode(h.Mode)|0o700); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		b := ok(io.ReadAll(in))(t)
		if err := os.WriteFile(path, b, fs.FileMode(h.Mode).Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpgradeByAnother: who waits for its turn goes on when another process,
// which then leads for good, has upgraded the records.
func TestUpgradeByAnother(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	ctx, stop := context.WithCancel(t.Context())
	leads, over := make(chan struct{}), make(chan error, 1)
	go func() {
		over <- db.Lead(ctx, termName, func(ctx context.Context) error {
			close(leads)
			<-ctx.Done()
			return nil
		})
	}()
	<-leads
	waits := make(chan error, 1)
	go func() { waits <- upgradeRecords(t.Context(), db, slog.New(slog.DiscardHandler)) }()
	if err := store.Upgrade(t.Context(), db, nil, tables()...); err != nil {
		t.Fatal(err)
	}
	if err := <-waits; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-over; err != nil {
		t.Error(err)
	}
}
