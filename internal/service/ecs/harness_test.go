package ecs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/deploy"
	"github.com/skylift/skylift/internal/service/ecs/place"
	"github.com/skylift/skylift/internal/service/ecs/run"
	"github.com/skylift/skylift/internal/service/ecs/ship"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

// world is the whole of ECS over a store in memory and a simulated engine:
// the API, the real loops, and stand-ins for what other services do.
type world struct {
	t      *testing.T
	db     store.DB
	eng    *fake.Engine
	size   place.Size // of the machine
	room   *place.Ledger
	lb     *balancing
	net    *network
	api    *sdkAPI
	logs   *logging
	files  *filing
	press  run.Pressure       // of the disk; nil: nobody watches it
	retain time.Duration      // how long stopped tasks are described
	mood   func() error       // spoils what the loops do, if not nil
	stop   context.CancelFunc // ends the loops, as the end of the process does
	done   chan struct{}
}

// sdkAPI gives handlers short names.
type sdkAPI struct{ *ecs.API }

// play runs f in a bubble of simulated time.
func play(t *testing.T, script fake.Config, f func(w *world)) {
	t.Helper()
	t.Parallel()
	if _, err := declared(); err != nil { // it takes long, in which loops would go on
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		w := &world{t: t, db: db, eng: fake.New(script), lb: newBalancing(), net: &network{ids: map[string]ecs.ENI{}}, logs: &logging{}, files: &filing{tasks: map[string][]run.FileMount{}, lost: map[string]bool{}}, retain: 24 * time.Hour}
		w.size = place.Size{CPU: 1 << 20, Memory: 1 << 20}
		w.start()
		defer func() {
			w.halt()
			_ = db.Close()
		}()
		if _, err := w.api.CreateCluster(t.Context(), &sdk.CreateClusterInput{}); err != nil {
			t.Fatal(err)
		}
		f(w)
	})
}

// start runs the loops, as the start of the process does.
func (w *world) start() {
	ctx, stop := context.WithCancel(context.Background())
	db := w.db
	if w.mood != nil {
		db = moody{w.db, w.mood}
	}
	w.net.mood, w.lb.mood = w.mood, w.mood
	log := slog.New(slog.DiscardHandler)
	ns := arn.Namespace{Region: "us-west-2", Account: "111122223333"}
	pictures := pictures{w.eng}
	w.room = place.New(w.size, ecs.Holdings(w.db))
	w.api = &sdkAPI{ecs.New(w.db, ns, w.net, w.lb, w.room)}
	d := deploy.New(db, ns, w.lb, pictures, w.room, log)
	r := run.New(run.Config{
		DB: db, Engine: w.eng, Network: w.net, Targets: w.lb, Images: pictures, Logs: w.logs, Files: w.files,
		Region: "us-west-2", Retention: w.retain, Log: log,
	})
	w.stop, w.done = stop, make(chan struct{})
	definitions, launches := run.NewDefinitions(db), run.NewLaunches(db)
	loops := []*reconcile.Loop{
		reconcile.New("definitions", definitions, reconcile.Options{Log: log}, definitions.Sources()...),
		reconcile.New("deploy", d, reconcile.Options{Workers: 4, Log: log}, deploy.Sources(w.db)...),
		reconcile.New("launches", launches, reconcile.Options{Log: log}, launches.Sources()...),
		reconcile.New("run", r, reconcile.Options{Workers: 16, Log: log},
			reconcile.Rows(w.db, ecs.Tasks, nil), run.Watch(w.db, w.eng, log)),
	}
	health := func(ctx context.Context, enqueue func(string)) error { return w.lb.follow(ctx, enqueue) }
	loops[1] = reconcile.New("deploy", d, reconcile.Options{Workers: 4, Log: log}, append(deploy.Sources(w.db), health, w.room.Room)...)
	go func() {
		defer close(w.done)
		var wg sync.WaitGroup
		wg.Go(func() { _ = run.NewSweeper(w.db, w.eng, log).Run(ctx) })
		wg.Go(func() { _ = run.NewMeter(w.db, w.eng, w.press, log).Run(ctx) })
		wg.Go(func() { _ = run.NewCounter(w.db, w.eng, log).Run(ctx) })
		wg.Go(func() { _ = run.NewLookout(w.db, w.files, log).Run(ctx) })
		wg.Go(func() { _ = w.room.Run(ctx) })
		for _, l := range loops {
			wg.Go(func() { _ = l.Run(ctx) })
		}
		wg.Wait()
	}()
	synctest.Wait() // the ledger has read what there is
}

func (w *world) halt() {
	w.stop()
	<-w.done
}

type ctx = context.Context

func sec(n int) time.Duration { return time.Duration(n) * time.Second }

// after lets so much time pass, and all that happens in it.
func (w *world) after(d time.Duration) {
	time.Sleep(d) // simulated
	synctest.Wait()
}

// define registers a task definition of one container called web.
func (w *world) define(change ...func(*sdk.RegisterTaskDefinitionInput)) string {
	w.t.Helper()
	in := webDefinition()
	for _, c := range change {
		c(in)
	}
	out, err := w.api.RegisterTaskDefinition(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return *out.TaskDefinition.TaskDefinitionArn
}

func webDefinition() *sdk.RegisterTaskDefinitionInput {
	return &sdk.RegisterTaskDefinitionInput{
		Family: aws.String("web"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		RequiresCompatibilities: []types.Compatibility{types.CompatibilityFargate},
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("web"), Image: aws.String("example.test/web:latest"),
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}},
		}},
	}
}

var placed = &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{"subnet-a", "subnet-b"}}}

// service creates a service of n tasks of web.
func (w *world) service(n int32, change ...func(*sdk.CreateServiceInput)) {
	w.t.Helper()
	in := &sdk.CreateServiceInput{ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: &n, NetworkConfiguration: placed}
	for _, c := range change {
		c(in)
	}
	if _, err := w.api.CreateService(w.t.Context(), in); err != nil {
		w.t.Fatal(err)
	}
}

// balanced puts a service behind the target group tg.
func balanced(in *sdk.CreateServiceInput) {
	in.LoadBalancers = []types.LoadBalancer{{TargetGroupArn: aws.String("tg"), ContainerName: aws.String("web"), ContainerPort: aws.Int32(8080)}}
}

func (w *world) describe() types.Service {
	w.t.Helper()
	out, err := w.api.DescribeServices(w.t.Context(), &sdk.DescribeServicesInput{Services: []string{"web"}})
	if err != nil || len(out.Services) != 1 {
		w.t.Fatalf("describe: %v %+v", err, out)
	}
	return out.Services[0]
}

// tasks returns the tasks with that desired status.
func (w *world) tasks(desired types.DesiredStatus) []types.Task {
	w.t.Helper()
	l, err := w.api.ListTasks(w.t.Context(), &sdk.ListTasksInput{DesiredStatus: desired})
	if err != nil {
		w.t.Fatal(err)
	}
	if len(l.TaskArns) == 0 {
		return nil
	}
	out, err := w.api.DescribeTasks(w.t.Context(), &sdk.DescribeTasksInput{Tasks: l.TaskArns})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.Tasks
}

// pictures brings images from the simulated engine's registry.
type pictures struct{ eng *fake.Engine }

func (p pictures) Resolve(ctx context.Context, ref string) (string, error) { return p.Pull(ctx, ref) }

func (p pictures) Pull(ctx context.Context, ref string) (string, error) {
	return p.eng.Pull(ctx, ref, engine.Auth{})
}

// network hands out addresses.
type network struct {
	mu   sync.Mutex
	ids  map[string]ecs.ENI
	next int
	mood func() error
	none map[string]bool // subnets without free addresses
}

// full says whether a subnet has no free address.
func (n *network) full(subnet string, is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.none == nil {
		n.none = map[string]bool{}
	}
	n.none[subnet] = is
}

// spoil returns what mood says, if there is one.
func spoil(mood func() error) error {
	if mood == nil {
		return nil
	}
	return mood()
}

func (n *network) CheckPlacement(_ context.Context, subnets, groups []string) (withDefault, zones []string, err error) {
	if slices.Contains(subnets, "subnet-gone") {
		return nil, nil, errors.New("The subnet ID 'subnet-gone' does not exist")
	}
	if len(groups) == 0 {
		groups = []string{"sg-default"}
	}
	for _, s := range subnets {
		zones = append(zones, s[len("subnet-"):])
	}
	return groups, zones, nil
}

func (n *network) Create(_ context.Context, taskID, subnet string, _ []string) (ecs.ENI, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.ids[taskID]; !ok {
		if n.none[subnet] {
			return ecs.ENI{}, awserr.New("InsufficientFreeAddressesInSubnet", "The specified subnet '%s' does not have enough free addresses to satisfy the request.", subnet)
		}
		n.next++
		n.ids[taskID] = ecs.ENI{
			ID: "eni-" + taskID, Subnet: subnet, MAC: "02:00:00:00:00:01",
			Addr: netip.AddrFrom4([4]byte{172, 31, byte(n.next >> 8), byte(n.next)}),
		}
	}
	return n.ids[taskID], spoil(n.mood)
}

func (n *network) Attach(context.Context, ecs.ENI, string) error { return spoil(n.mood) }

func (n *network) Delete(_ context.Context, eni string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.ids, eni[len("eni-"):])
	return spoil(n.mood)
}

// balancing is a load balancer whose targets get healthy after two seconds and
// drain for one. It has the target group tg, and tg-blue and tg-green behind
// the rules of rules_test.go.
type balancing struct {
	mu      sync.Mutex
	targets map[string]*target
	rules   map[string]map[string]int32
	gone    string // a group that was deleted
	sick    func(addr netip.Addr) bool
	mood    func() error
}

type target struct {
	since    time.Time
	draining time.Time
}

func newBalancing() *balancing {
	return &balancing{targets: map[string]*target{}, rules: newRules(), sick: func(netip.Addr) bool { return false }}
}

func (b *balancing) GroupBalancers(_ context.Context, group string) ([]string, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group == b.gone {
		group = ""
	}
	switch group {
	case "tg", "tg-blue", "tg-green":
		return []string{"lb"}, "ip", nil
	case "tg-loose":
		return nil, "ip", nil
	}
	return nil, "", awserr.New("TargetGroupNotFound", "One or more target groups not found")
}

func (b *balancing) Register(_ context.Context, group string, addr netip.Addr, port int32, _ string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group == b.gone {
		return awserr.New("TargetGroupNotFound", "Target groups '%s' not found", group)
	}
	k := fmt.Sprintf("%s/%s:%d", group, addr, port)
	if b.targets[k] == nil {
		b.targets[k] = &target{since: time.Now()}
	}
	return spoil(b.mood)
}

func (b *balancing) Deregister(_ context.Context, group string, addr netip.Addr, port int32) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.targets[fmt.Sprintf("%s/%s:%d", group, addr, port)]; t != nil && t.draining.IsZero() {
		t.draining = time.Now()
	}
	return spoil(b.mood)
}

func (b *balancing) TargetState(_ context.Context, group string, addr netip.Addr, port int32) (state, description string, err error) {
	if err := spoil(b.mood); err != nil {
		return "", "", err
	}
	return b.state(group, addr, port)
}

// lose deletes a group, with its targets.
func (b *balancing) lose(group string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = group
	maps.DeleteFunc(b.targets, func(k string, _ *target) bool { return strings.HasPrefix(k, group+"/") })
}

// registered counts the targets that aren't on their way out.
func (b *balancing) registered() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.targets {
		if t.draining.IsZero() {
			n++
		}
	}
	return n
}

func (b *balancing) state(group string, addr netip.Addr, port int32) (state, description string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if group == b.gone || group != "tg" && !b.attached(group) {
		return "unused", "", nil
	}
	if state = b.stateOf(b.targets[fmt.Sprintf("%s/%s:%d", group, addr, port)], addr); state == "unhealthy" {
		description = "Health checks failed with these codes: [500]"
	}
	return state, description, nil
}

func (b *balancing) stateOf(t *target, addr netip.Addr) string {
	switch {
	case t == nil || !t.draining.IsZero() && time.Since(t.draining) >= time.Second:
		return ""
	case !t.draining.IsZero():
		return "draining"
	case time.Since(t.since) < 2*time.Second:
		return "initial"
	case b.sick(addr):
		return "unhealthy"
	}
	return "healthy"
}

// follow tells when health changed, within half a second.
func (b *balancing) follow(ctx context.Context, enqueue func(string)) error {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	seen := map[string]string{}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if now := b.states(); !maps.Equal(now, seen) {
				seen = now
				enqueue("default/web")
			}
		}
	}
}

func (b *balancing) states() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]string{}
	for k, t := range b.targets {
		addr := netip.MustParseAddrPort(k[strings.LastIndex(k, "/")+1:])
		if state := b.stateOf(t, addr.Addr()); state != "" {
			out[k] = state
		}
	}
	return out
}

// logging is a log shipper with one group, /web.
type logging struct {
	full bool // what is drained is never stored

	mu       sync.Mutex
	followed []ship.Job
}

func (*logging) Prepare(_ context.Context, group, _ string, create bool) error {
	if group != "/web" && !create {
		return awserr.New("ResourceNotFoundException", "The specified log group does not exist.")
	}
	return nil
}

func (l *logging) Follow(j ship.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.followed = append(l.followed, j)
}

func (l *logging) Finish(j ship.Job) { l.Follow(j) }

func (l *logging) Drain(ctx context.Context, _ ship.Job) error {
	if !l.full {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (*logging) Forget(context.Context, string) error { return nil }

// filing has the file system fs-1, and knows which tasks have mounts of it.
type filing struct {
	mu    sync.Mutex
	tasks map[string][]run.FileMount
	lost  map[string]bool // tasks whose mounts work no more
}

func (f *filing) Mount(_ context.Context, task string, all []run.FileMount) (paths []string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, m := range all {
		if !slices.Contains([]string{"fs-1", data, shared}, m.FileSystem) {
			return nil, &run.MountError{Reason: "failed to invoke EFS utils commands: no " + m.FileSystem}
		}
		paths = append(paths, fmt.Sprint("/mounts/", task, "/", i))
	}
	f.tasks[task] = all
	return paths, nil
}

func (f *filing) Lost(task string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost[task]
}

func (f *filing) Unmount(task string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tasks, task)
	return nil
}

// mounts returns what the task has mounted.
func (f *filing) mounts(task string) []run.FileMount {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tasks[task]
}
