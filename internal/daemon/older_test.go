package daemon

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/efs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
)

// answers are what an instance says of all that it has, by the operation that
// was asked.
type answers map[string]any

// ask asks for all that lasts: not for tasks and events, which go on.
func (u *user) ask(t *testing.T) answers {
	t.Helper()
	a := answers{}
	ask := func(name string, out any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var v any
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(ok(json.Marshal(out))(t)), u.listen, "LISTEN")), &v); err != nil {
			t.Fatal(err)
		}
		delete(v.(map[string]any), "ResultMetadata")
		a[name] = v
	}
	c := t.Context()
	{
		out, err := u.ec2.DescribeVpcs(c, nil)
		ask("vpcs", out, err)
	}
	{
		out, err := u.ec2.DescribeSubnets(c, nil)
		for i := range out.Subnets {
			out.Subnets[i].AvailableIpAddressCount = nil
		}
		ask("subnets", out, err)
	}
	{
		out, err := u.ec2.DescribeSecurityGroups(c, &ec2.DescribeSecurityGroupsInput{})
		ask("security groups", out, err)
	}
	{
		out, err := u.ec2.DescribeSecurityGroupRules(c, nil)
		ask("security group rules", out, err)
	}
	{
		out, err := u.ec2.DescribeRouteTables(c, nil)
		ask("route tables", out, err)
	}
	{
		out, err := u.ecr.DescribeRepositories(c, nil)
		ask("repositories", out, err)
		for _, r := range out.Repositories {
			images, err := u.ecr.DescribeImages(c, &ecr.DescribeImagesInput{RepositoryName: r.RepositoryName})
			for i := range images.ImageDetails {
				slices.Sort(images.ImageDetails[i].ImageTags)
			}
			ask("images of "+*r.RepositoryName, images, err)
			list, err := u.ecr.ListImages(c, &ecr.ListImagesInput{RepositoryName: r.RepositoryName, MaxResults: aws.Int32(1000)})
			sort.Slice(list.ImageIds, func(i, j int) bool {
				a, b := list.ImageIds[i], list.ImageIds[j]
				return *a.ImageDigest+aws.ToString(a.ImageTag) < *b.ImageDigest+aws.ToString(b.ImageTag)
			})
			ask("list of "+*r.RepositoryName, list, err)
		}
	}
	{
		out, err := u.ecs.DescribeClusters(c, &ecs.DescribeClustersInput{Clusters: []string{"default", "other"}})
		for i := range out.Clusters {
			out.Clusters[i].RunningTasksCount, out.Clusters[i].PendingTasksCount = 0, 0
		}
		ask("clusters", out, err)
	}
	{
		out, err := u.ecs.ListTaskDefinitions(c, nil)
		ask("task definitions", out, err)
		for _, arn := range out.TaskDefinitionArns {
			d, err := u.ecs.DescribeTaskDefinition(c, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &arn})
			ask("definition "+arn, d, err)
		}
	}
	{
		out, err := u.ecs.DescribeServices(c, &ecs.DescribeServicesInput{Services: []string{"web", "behind"}})
		for i := range out.Services {
			s := &out.Services[i]
			s.RunningCount, s.PendingCount, s.Events, s.Deployments = 0, 0, nil, nil
		}
		ask("services", out, err)
	}
	{
		out, err := u.ecs.ListAccountSettings(c, nil)
		ask("account settings", out, err)
	}
	{
		out, err := u.efs.DescribeFileSystems(c, nil)
		for i := range out.FileSystems {
			out.FileSystems[i].SizeInBytes = nil
		}
		ask("file systems", out, err)
		for _, f := range out.FileSystems {
			targets, err := u.efs.DescribeMountTargets(c, &efs.DescribeMountTargetsInput{FileSystemId: f.FileSystemId})
			ask("mount targets of "+*f.FileSystemId, targets, err)
		}
	}
	{
		out, err := u.efs.DescribeAccessPoints(c, nil)
		ask("access points", out, err)
	}
	{
		out, err := u.elb.DescribeTargetGroups(c, nil)
		ask("target groups", out, err)
	}
	{
		out, err := u.elb.DescribeLoadBalancers(c, nil)
		ask("load balancers", out, err)
		for _, lb := range out.LoadBalancers {
			listeners, err := u.elb.DescribeListeners(c, &elb.DescribeListenersInput{LoadBalancerArn: lb.LoadBalancerArn})
			ask("listeners of "+*lb.LoadBalancerName, listeners, err)
			for _, l := range listeners.Listeners {
				rules, err := u.elb.DescribeRules(c, &elb.DescribeRulesInput{ListenerArn: l.ListenerArn})
				ask("rules of "+*l.ListenerArn, rules, err)
			}
		}
	}
	{
		out, err := u.logs.DescribeLogGroups(c, nil)
		for i := range out.LogGroups {
			out.LogGroups[i].StoredBytes = nil
		}
		ask("log groups", out, err)
		events, err := u.logs.GetLogEvents(c, &cloudwatchlogs.GetLogEventsInput{LogGroupName: new("/web"), LogStreamName: new("by-hand"), StartFromHead: aws.Bool(true)})
		events.NextBackwardToken, events.NextForwardToken = nil, nil
		ask("log events", events, err)
	}
	return a
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
	const listen = "127.0.0.1:4705"
	cmd := exec.CommandContext(t.Context(), program, "-data-dir", dir, "-listen", listen, "-lb-address", "127.0.0.105", "-latency", "1ms")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u := &user{listen: listen}
	u.until(t, "it is ready", func() bool {
		res, err := http.Get("http://" + listen + "/readyz")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	u = newUser(t, dir, listen)
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
