package metadata

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
)

const (
	curlID = "cd189a933e5849daa93386466019ab50"
	arns   = "arn:aws:ecs:us-west-2:111122223333:"
)

func moment(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// curl is the task of AWS's example, with more to tell than there.
func curl() (ecs.Task, ecs.TaskDefinition) {
	container := types.ContainerDefinition{
		Name: aws.String("curl"), Cpu: 10, Memory: aws.Int32(128), DockerLabels: map[string]string{"team": "blue"},
		PortMappings:  []types.PortMapping{{ContainerPort: aws.Int32(8080)}},
		MountPoints:   []types.MountPoint{{SourceVolume: aws.String("scratch"), ContainerPath: aws.String("/scratch")}},
		RestartPolicy: &types.ContainerRestartPolicy{Enabled: aws.Bool(true)},
		LogConfiguration: &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-create-group": "true", "awslogs-group": "/ecs/containerlogs", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "ecs",
		}},
	}
	definition := ecs.TaskDefinition{Definition: types.TaskDefinition{
		TaskDefinitionArn: aws.String(arns + "task-definition/curltest:2"), Family: aws.String("curltest"), Revision: 2,
		ContainerDefinitions: []types.ContainerDefinition{container},
	}}
	return ecs.Task{
		ID: curlID, Cluster: "default", ARN: arns + "task/default/" + curlID, TaskDefinition: *definition.Definition.TaskDefinitionArn,
		Service: "default/web", Desired: ecs.Running, Status: ecs.Running, CPU: "256", Memory: "512", Zone: "us-west-2c",
		PullStartedAt: moment("2020-10-08T20:09:01.123Z"), PullStoppedAt: moment("2020-10-08T20:09:05.541Z"),
		ENI:  ecs.ENI{ID: "eni-1", Subnet: "subnet-1", MAC: "0a:de:f6:10:51:e5", Addr: netip.MustParseAddr("172.31.42.189")},
		Tags: map[string]string{"env": "test"},
		Containers: []ecs.Container{{
			Name: "curl", ARN: arns + "container/default/" + curlID + "/05966557-f16c-49cb-9352-24b3a0dcd0e1",
			Image:  "111122223333.dkr.ecr.us-west-2.amazonaws.com/curltest:latest",
			Digest: "sha256:25f3695bedfb454a50f12d127839a68ad3caf91e451c1da073db34c542c4d2cb",
			Status: ecs.Running, Essential: true, Health: types.HealthStatusUnknown,
		}},
	}, definition
}

// still is an engine in which nothing moves.
type still struct {
	status engine.Status
	err    error
}

func (s still) Inspect(context.Context, string) (engine.Status, error) { return s.status, s.err }
func (s still) Stats(context.Context, string) (engine.Stats, error)    { return engine.Stats{}, s.err }
func (s still) Storage(context.Context, string) (int64, error)         { return 261 << 20, s.err }

var running = still{status: engine.Status{Containers: []engine.ContainerStatus{{
	Name: "curl", State: engine.Running, Health: engine.Healthy, HealthLog: "fine", Restarts: 2,
	CreatedAt: moment("2020-10-08T20:09:10.44527186Z"), StartedAt: moment("2020-10-08T20:09:11.44527186Z"),
}}}}

type subnets struct{}

func (subnets) Subnet(context.Context, string) (string, netip.Prefix, error) {
	return "vpc-1", netip.MustParsePrefix("172.31.32.0/20"), nil
}

// server is a Server that knows these tasks, all of one definition.
func server(t *testing.T, eng containers, d ecs.TaskDefinition, tasks ...ecs.Task) *Server {
	t.Helper()
	db := memstore.New()
	t.Cleanup(func() { _ = db.Close() })
	err := db.Update(t.Context(), func(tx store.Tx) error {
		for _, task := range tasks {
			if err := ecs.Tasks.Put(tx, task.Key(), task); err != nil {
				return err
			}
		}
		return ecs.Definitions.Put(tx, ecs.DefinitionKey(*d.Definition.Family, d.Definition.Revision), d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{DB: db, Engine: eng, Network: subnets{}, Log: slog.New(slog.DiscardHandler)})
}

// ask is a request of a task to its server.
func ask(s *Server, method string, from netip.Addr, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://"+ecs.EndpointHost+path, strings.NewReader(body))
	r.RemoteAddr = netip.AddrPortFrom(from, 40000).String()
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// wantJSON compares an answer with a file, in which the container's id has
// zeros for its number.
func wantJSON(t *testing.T, what, id string, w *httptest.ResponseRecorder, want []byte, ignore ...string) {
	t.Helper()
	var a, b map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %d %v %s", what, w.Code, err, w.Body)
	}
	text := strings.ReplaceAll(string(want), curlID+"-0000000000", id)
	if err := json.Unmarshal([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	for _, k := range ignore {
		delete(a, k)
		delete(b, k)
	}
	if d := cmp.Diff(b, a); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func file(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestShapes holds the answers to AWS's examples for Fargate. Of what is in
// those, DomainNameServers, DomainNameSearchList and Snapshotter are left out:
// tasks have the host's resolvers, and images come by Docker.
func TestShapes(t *testing.T) {
	t.Parallel()
	task, d := curl()
	s := server(t, running, d, task)
	id := task.EndpointID(task.Containers[0])
	for _, v := range []string{"v3", "v4"} {
		uri := "/" + v + "/" + id
		container := file(t, v+"-container.json")
		wantJSON(t, uri, id, ask(s, "GET", task.ENI.Addr, uri, ""), container)
		whole := strings.Replace(string(file(t, v+"-task.json")), `"Containers": []`, `"Containers": [`+string(container)+`]`, 1)
		wantJSON(t, uri+"/task", id, ask(s, "GET", task.ENI.Addr, uri+"/task", ""), []byte(whole), "ClockDrift")
		tagged := strings.Replace(whole, `"Containers"`, `"TaskTags": {"env": "test"}, "Containers"`, 1)
		wantJSON(t, uri+"/taskWithTags", id, ask(s, "GET", task.ENI.Addr, uri+"/taskWithTags", ""), []byte(tagged), "ClockDrift")
	}
	var told Task
	if err := json.Unmarshal(ask(s, "GET", task.ENI.Addr, "/v4/"+id+"/task", "").Body.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if c := told.ClockDrift; c == nil || c.ClockErrorBound <= 0 || !strings.HasSuffix(c.ClockSynchronizationStatus, "SYNCHRONIZED") {
		t.Errorf("clock: %+v", c)
	}
}

// TestKnownStatus follows a task through its life, also without the engine's
// word.
func TestKnownStatus(t *testing.T) {
	t.Parallel()
	is := func(state engine.ContainerState, code int) engine.Status {
		return engine.Status{Containers: []engine.ContainerStatus{{Name: "curl", State: state, ExitCode: code}}}
	}
	for name, tt := range map[string]struct {
		task, container string // statuses in the records
		pulled          bool
		is              engine.Status
		wantTask, want  string
		wantCode        *int32
	}{
		"pulling":           {ecs.Pending, ecs.Pending, false, engine.Status{}, "NONE", "NONE", nil},
		"pulled":            {ecs.Pending, ecs.Pending, true, engine.Status{}, "PULLED", "PULLED", nil},
		"created":           {ecs.Pending, ecs.Pending, true, is(engine.Created, 0), "PULLED", "CREATED", nil},
		"faster than us":    {ecs.Pending, ecs.Pending, true, is(engine.Running, 0), "PULLED", "RUNNING", nil},
		"activating":        {ecs.Activating, ecs.Running, true, is(engine.Running, 0), "RUNNING", "RUNNING", nil},
		"engine away":       {ecs.Running, ecs.Running, true, engine.Status{}, "RUNNING", "RUNNING", nil},
		"ended":             {ecs.Running, ecs.Running, true, is(engine.Exited, 3), "RUNNING", "STOPPED", aws.Int32(3)},
		"waits":             {ecs.Running, ecs.Pending, true, engine.Status{}, "RUNNING", "PULLED", nil},
		"can't start":       {ecs.Running, ecs.Stopped, true, is(engine.Created, 0), "RUNNING", "STOPPED", nil},
		"on its way out":    {ecs.Deactivating, ecs.Running, true, is(engine.Running, 0), "RUNNING", "RUNNING", nil},
		"nothing runs more": {ecs.Deprovisioning, ecs.Stopped, true, engine.Status{}, "STOPPED", "STOPPED", nil},
	} {
		task, d := curl()
		task.Status, task.Containers[0].Status = tt.task, tt.container
		if !tt.pulled {
			task.PullStoppedAt = time.Time{}
		}
		got := view{asker: asker{v4: true, task: task, def: d.Definition}, is: tt.is}.describe()
		c := got.Containers[0]
		if got.KnownStatus != tt.wantTask || c.KnownStatus != tt.want || aws.ToInt32(c.ExitCode) != aws.ToInt32(tt.wantCode) || (c.ExitCode == nil) != (tt.wantCode == nil) {
			t.Errorf("%s: got %s, %s, %v, want %s, %s, %v", name, got.KnownStatus, c.KnownStatus, c.ExitCode, tt.wantTask, tt.want, tt.wantCode)
		}
	}
}

func TestOverridesCount(t *testing.T) {
	t.Parallel()
	task, d := curl()
	task.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("curl"), Cpu: aws.Int32(99), Memory: aws.Int32(1000)}}}
	s := server(t, running, d, task)
	var got Container
	w := ask(s, "GET", task.ENI.Addr, "/v4/"+task.EndpointID(task.Containers[0]), "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || *got.Limits.CPU != 99 || *got.Limits.Memory != 1000 {
		t.Errorf("%v %s", err, w.Body)
	}
}

// TestWhoAsks: a task learns of nothing but itself.
func TestWhoAsks(t *testing.T) {
	t.Parallel()
	task, d := curl()
	neighbour := task
	neighbour.ID, neighbour.ENI.Addr = strings.Repeat("a", 32), netip.MustParseAddr("172.31.42.190")
	gone := task
	gone.ID, gone.ENI.Deleted = strings.Repeat("b", 32), true
	s := server(t, running, d, task, neighbour, gone)
	own := func(t ecs.Task) string { return t.EndpointID(t.Containers[0]) }
	for name, tt := range map[string]struct {
		from netip.Addr
		id   string
		ok   bool
	}{
		"itself":                         {task.ENI.Addr, own(task), true},
		"the neighbour itself":           {neighbour.ENI.Addr, own(neighbour), true},
		"a neighbour":                    {task.ENI.Addr, own(neighbour), false},
		"it, by a neighbour":             {neighbour.ENI.Addr, own(task), false},
		"a container that it hasn't":     {task.ENI.Addr, curlID + "-0000000001", false},
		"its id alone":                   {task.ENI.Addr, curlID, false},
		"nothing":                        {task.ENI.Addr, "-", false},
		"one whose interface is gone":    {gone.ENI.Addr, own(gone), false},
		"by the host":                    {netip.MustParseAddr("127.0.0.1"), own(task), false},
		"by its address, as IPv6 has it": {netip.AddrFrom16(task.ENI.Addr.As16()), own(task), true},
	} {
		for path, handler := range map[string]string{
			"": "container metadata", "/task": "task metadata", "/taskWithTags": "task metadata", "/task/stats": "task stats", "/stats": "container stats",
		} {
			if tt.ok && strings.HasSuffix(path, "stats") {
				continue // takes a second
			}
			for v, unknown := range map[string]int{"v3": http.StatusBadRequest, "v4": http.StatusNotFound} {
				w := ask(s, "GET", tt.from, "/"+v+"/"+tt.id+path, "")
				want := http.StatusOK
				if !tt.ok {
					want = unknown
				}
				if w.Code != want {
					t.Errorf("%s: GET /%s/…%s: got %d, want %d: %s", name, v, path, w.Code, want, w.Body)
				}
				if said := fmt.Sprintf(`"%s %s handler: unable to get `, strings.ToUpper(v), handler); !tt.ok && (!strings.HasPrefix(w.Body.String(), said) || !strings.HasSuffix(w.Body.String(), " from v3 endpoint ID: "+tt.id+`"`)) {
					t.Errorf("%s: GET /%s/…%s: got %s, want %s…", name, v, path, w.Body, said)
				}
			}
		}
	}
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"POST", "/v4/" + own(task), http.StatusMethodNotAllowed},
		{"GET", "/", http.StatusNotFound},
		{"GET", "/v4/" + own(task) + "/tasks", http.StatusNotFound},
		{"GET", "/v2/metadata", http.StatusNotFound},
	} {
		if w := ask(s, tt.method, task.ENI.Addr, tt.path, ""); w.Code != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.method, tt.path, w.Code, tt.want)
		}
	}
}

func TestEngineAway(t *testing.T) {
	t.Parallel()
	task, d := curl()
	s := server(t, still{err: fmt.Errorf("docker restarts: %w", engine.ErrUnavailable)}, d, task)
	uri := "/v4/" + task.EndpointID(task.Containers[0])
	var got Task
	w := ask(s, "GET", task.ENI.Addr, uri+"/task", "")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK || got.KnownStatus != "RUNNING" || got.EphemeralStorageMetrics != nil {
		t.Errorf("task: %d %v %s", w.Code, err, w.Body)
	}
	if w := ask(s, "GET", task.ENI.Addr, uri+"/stats", ""); w.Code != http.StatusInternalServerError || w.Body.String() != `"failed to get container stats"` {
		t.Errorf("stats: %d %s", w.Code, w.Body)
	}
}
