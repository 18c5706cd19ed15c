package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestMetadata asks from inside of tasks.
func TestMetadata(t *testing.T) {
	t.Parallel()
	s := onStage(t)
	t.Run("a task about itself", s.testMetadata)
	t.Run("nobody about others", s.testMetadataOfOthers)
	t.Run("protection", s.testProtectionInside)
}

// inside is a request that the probe at an address makes.
func (s *stage) inside(addr, method, to, body string) (int, string) {
	q := url.Values{"method": {method}, "url": {to}, "body": {body}, "ms": {"5000"}}
	return s.ask("http://" + addr + ":8080/fetch?" + q.Encode())
}

// told decodes what a task is told.
func (s *stage) told(t *testing.T, addr, uri string, out any) {
	t.Helper()
	code, body := s.inside(addr, "GET", uri, "")
	if err := json.Unmarshal([]byte(body), out); err != nil || code != http.StatusOK {
		t.Fatalf("%s: %d %v %s", uri, code, err, body)
	}
}

// aboutTask is some of what a task is told.
type aboutTask struct {
	TaskARN, Family, Revision, KnownStatus, ServiceName, VPCID, AvailabilityZone, LaunchType string
	TaskTags                                                                                 map[string]string
	Limits                                                                                   struct{ CPU, Memory float64 }
	EphemeralStorageMetrics                                                                  *struct{ Utilized, Reserved int64 }
	Containers                                                                               []aboutContainer
}

type aboutContainer struct {
	DockerID                                            string `json:"DockerId"`
	Name, ImageID, KnownStatus, ContainerARN, LogDriver string
	CreatedAt, StartedAt                                time.Time
	Labels, LogOptions                                  map[string]string
	Networks                                            []struct {
		IPv4Addresses                   []string
		MACAddress, IPv4SubnetCIDRBlock string
	}
}

// testMetadata runs without a rule for egress: the endpoint needs none.
func (s *stage) testMetadata(t *testing.T) {
	t.Parallel()
	shut := s.groupOf(t, "metadata", toProbe())
	all := types.IpPermission{IpProtocol: new("-1"), IpRanges: []types.IpRange{{CidrIp: new("0.0.0.0/0")}}}
	must(s.ec2.RevokeSecurityGroupEgress(t.Context(), &ec2.RevokeSecurityGroupEgressInput{GroupId: &shut, IpPermissions: []types.IpPermission{all}}))(t)
	def := s.defineProbe(t, "metadata", environment("AWS_REGION=eu-west-1", "ECS_AGENT_URI=http://elsewhere"))
	ran := must(s.ecs.RunTask(t.Context(), &ecs.RunTaskInput{
		TaskDefinition: &def, NetworkConfiguration: s.network(t, shut), Tags: []ecstypes.Tag{{Key: new("team"), Value: new("blue")}},
	}))(t)
	arn := *ran.Tasks[0].TaskArn
	s.stopAtEnd(t, arn)
	task := s.reaches(t, arn, "RUNNING")
	addr := address(t, task)
	listens(t, addr)

	_, env := s.ask("http://" + addr + ":8080/env")
	for _, want := range []string{
		"\nAWS_REGION=eu-west-1\n", "\nAWS_DEFAULT_REGION=" + region + "\n", "\nAWS_EXECUTION_ENV=AWS_ECS_FARGATE\n",
		"\nECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/", "\nECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/", "\nECS_AGENT_URI=http://169.254.170.2/api/",
	} {
		if strings.Count(env, want) != 1 {
			t.Errorf("want %q once in:\n%s", want, env)
		}
	}
	var got aboutTask
	s.told(t, addr, "${ECS_CONTAINER_METADATA_URI_V4}/taskWithTags", &got)
	if got.TaskARN != arn || got.Family != "metadata" || !strings.HasSuffix(def, ":"+got.Revision) || got.KnownStatus != "RUNNING" || got.ServiceName != "" ||
		got.VPCID != s.vpcID || got.AvailabilityZone != *task.AvailabilityZone || got.LaunchType != "FARGATE" || got.TaskTags["team"] != "blue" ||
		got.Limits.CPU != 0.25 || got.Limits.Memory != 512 || got.EphemeralStorageMetrics == nil || got.EphemeralStorageMetrics.Reserved != 20480 || len(got.Containers) != 1 {
		t.Errorf("task: %+v", got)
	}
	var c aboutContainer
	s.told(t, addr, "${ECS_CONTAINER_METADATA_URI_V4}", &c)
	is := task.Containers[0]
	if c.Name != "web" || c.KnownStatus != "RUNNING" || c.ImageID != *is.ImageDigest || c.ContainerARN != *is.ContainerArn || c.LogDriver != "awslogs" ||
		c.LogOptions["awslogs-stream"] != "metadata/web/"+arn[strings.LastIndex(arn, "/")+1:] || c.Labels["com.amazonaws.ecs.task-arn"] != arn ||
		c.StartedAt.Before(c.CreatedAt) || time.Since(c.CreatedAt) > time.Minute || len(c.Networks) != 1 || c.Networks[0].IPv4Addresses[0] != addr || c.Networks[0].MACAddress == "" {
		t.Errorf("container: %+v", c)
	}
	s.measured(t, addr, c.DockerID)
	var v3 aboutTask
	s.told(t, addr, "${ECS_CONTAINER_METADATA_URI}/task", &v3)
	if v3.TaskARN != arn || v3.LaunchType != "" || v3.Containers[0].ContainerARN != "" || v3.Containers[0].Networks[0].IPv4Addresses[0] != addr {
		t.Errorf("version 3: %+v", v3)
	}
}

// measured checks a task's statistics.
func (s *stage) measured(t *testing.T, addr, id string) {
	t.Helper()
	type stats struct {
		Read, PreRead time.Time
		CPU           struct {
			Usage struct {
				Total int64 `json:"total_usage"`
			} `json:"cpu_usage"`
		} `json:"cpu_stats"`
		Memory   struct{ Usage, Limit int64 } `json:"memory_stats"`
		Networks map[string]struct {
			Rx int64 `json:"rx_bytes"`
			Tx int64 `json:"tx_bytes"`
		}
		Rate *struct {
			Rx float64 `json:"rx_bytes_per_sec"`
		} `json:"network_rate_stats"`
	}
	var all map[string]stats
	s.told(t, addr, "${ECS_CONTAINER_METADATA_URI_V4}/task/stats", &all)
	got, ok := all[id]
	if n := got.Networks["eth0"]; !ok || len(all) != 1 || got.CPU.Usage.Total == 0 || got.Memory.Usage == 0 || got.Memory.Limit != 512<<20 ||
		n.Rx == 0 || n.Tx == 0 || got.Rate == nil || got.Read.Sub(got.PreRead) < 900*time.Millisecond {
		t.Errorf("statistics: %+v", all)
	}
}

func (s *stage) testMetadataOfOthers(t *testing.T) {
	t.Parallel()
	def := s.defineProbe(t, "curious")
	_, a := s.serving(t, def)
	_, b := s.serving(t, def)
	var own aboutContainer
	s.told(t, b, "${ECS_CONTAINER_METADATA_URI_V4}", &own)
	for path, want := range map[string]int{
		"/v4/" + own.DockerID: 404, "/v4/" + own.DockerID + "/task": 404, "/v4/" + own.DockerID + "/task/stats": 404,
		"/v3/" + own.DockerID: 400, "/api/" + own.DockerID + "/task-protection/v1/state": 404, "/": 404,
	} {
		if code, body := s.inside(a, "GET", "http://169.254.170.2"+path, ""); code != want || strings.Contains(body, "arn:") {
			t.Errorf("a neighbour asks for %s: %d %s, want %d", path, code, body, want)
		}
	}
}

// testProtectionInside has a task protect itself, which the API then knows.
func (s *stage) testProtectionInside(t *testing.T) {
	t.Parallel()
	s.deploy(t, "worker", s.defineProbe(t, "worker"), "", 1)
	s.stable(t, "worker")
	arn := s.tasksOf(t, "worker", ecstypes.DesiredStatusRunning)[0]
	addr := address(t, s.task(t, arn))
	listens(t, addr)
	known := func() string {
		return s.aws(t, "ecs", "get-task-protection", "--cluster", "default", "--tasks", arn, "--query", "protectedTasks[0].[protectionEnabled,expirationDate]", "--output", "text")
	}
	if got := known(); got != "False\tNone" {
		t.Errorf("before: %s", got)
	}
	const state = "${ECS_AGENT_URI}/task-protection/v1/state"
	code, body := s.inside(addr, "PUT", state, `{"ProtectionEnabled":true,"ExpiresInMinutes":60}`)
	var said struct {
		Protection struct {
			ExpirationDate    time.Time
			ProtectionEnabled bool
			TaskArn           string
		}
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil || code != 200 || !said.Protection.ProtectionEnabled || said.Protection.TaskArn != arn ||
		time.Until(said.Protection.ExpirationDate).Round(time.Minute) != time.Hour {
		t.Errorf("set: %d %v %s", code, err, body)
	}
	if got := known(); !strings.HasPrefix(got, "True\t") {
		t.Errorf("after it was set inside: %s", got)
	}
	s.aws(t, "ecs", "update-task-protection", "--cluster", "default", "--tasks", arn, "--no-protection-enabled")
	if code, body := s.inside(addr, "GET", state, ""); code != 200 || !strings.Contains(body, `"ProtectionEnabled":false`) {
		t.Errorf("after it was taken back outside: %d %s", code, body)
	}
	if code, body := s.inside(addr, "PUT", state, `{}`); code != 400 || !strings.Contains(body, "does not contain 'ProtectionEnabled' field") {
		t.Errorf("an empty request: %d %s", code, body)
	}
}

// TestMetadataOfNeighbours has two instances that answer at the same address,
// each its own tasks, and one that dies and comes back.
func TestMetadataOfNeighbours(t *testing.T) {
	t.Parallel()
	type site struct {
		*skylift
		arn, addr string
	}
	run := func(s *skylift) site {
		s.cluster(t, "default")
		def := s.define(t, "me", s.push(t, "me", "latest"))
		arn := s.runTask(t, def, s.group(t, "me", 8080))
		return site{s, arn, address(t, s.reaches(t, arn, "RUNNING"))}
	}
	asks := func(s site) error {
		res, err := s.web(10 * time.Second).Get("http://" + s.addr + ":8080/metadata")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(body), s.arn) {
			return fmt.Errorf("%d %w %s", res.StatusCode, err, body)
		}
		return nil
	}
	a, b := run(start(t)), run(start(t))
	for _, s := range []site{a, b} {
		waitFor(t, 20*time.Second, "the task knows itself", func() error { return asks(s) })
	}
	a.kill9(t)
	if err := asks(a); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("while Skylift is dead: %v, want it refused", err)
	}
	if err := asks(b); err != nil {
		t.Errorf("the neighbour: %v", err)
	}
	a.restart(t)
	waitFor(t, 20*time.Second, "the task knows itself again", func() error { return asks(a) })
	if err := asks(b); err != nil {
		t.Errorf("the neighbour, after: %v", err)
	}
}
