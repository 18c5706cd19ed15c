package why_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/edge/meter"
	"github.com/skylift/skylift/internal/projection/why"
	"github.com/skylift/skylift/internal/projection/why/finding"
	"github.com/skylift/skylift/internal/projection/why/snapshot"
	"github.com/skylift/skylift/internal/projection/why/whytest"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/scene"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/vpc"
	"github.com/skylift/skylift/internal/vpc/sockets"
)

// pictures are what goes wrong, each as one change of a healthy site; with what is told of it: parts of the cause, of
// the evidence and of the mends.
var pictures = []struct {
	check  string
	change func(*snapshot.Snapshot)
	cause  string
	shows  string
	mend   string
}{
	{"balancer-kept-out", func(s *snapshot.Snapshot) { s.Rules.Groups[1].Ingress = nil }, "doesn't let the balancer's group sg-lb (front) in", "TCP from 10.0.0.5 to 10.0.0.9:8080", "aws ec2 authorize-security-group-ingress --group-id sg-web"},
	{"balancer-kept-out", func(s *snapshot.Snapshot) { s.Rules.Groups[0].Egress = nil }, "its security group sg-lb (front) lets nothing out", "the sender", "aws ec2 authorize-security-group-egress --group-id sg-lb"},
	{"clients-kept-out", func(s *snapshot.Snapshot) { s.Rules.Groups[0].Ingress = nil }, "nobody can reach load balancer front on port 80", "TCP from outside", "0.0.0.0/0"},
	{"peer-kept-out", func(s *snapshot.Snapshot) { s.Rules.Groups[2].Ingress = nil; connects(s, "10.0.0.50:5432") }, "service web can't reach 10.0.0.50:5432: the security group there, sg-db (db)", "asks for a connection", "--port 5432 --source-group sg-web"},
	{"peer-kept-out", func(s *snapshot.Snapshot) { s.Rules.Groups[1].Egress = nil; connects(s, "10.0.0.50:5432") }, "its own security group sg-web (web) has no egress rule for port 5432", "the sender", "egress --group-id sg-web"},
	{"egress-closed", func(s *snapshot.Snapshot) { s.Rules.Groups[1].Egress = nil; connects(s, "198.51.100.7:443") }, "no egress rule for port 443", "asks for a connection to 198.51.100.7:443", "egress --group-id sg-web"},
	{"no-way", func(s *snapshot.Snapshot) {
		s.Rules.Net.Subnets[0].Hops = s.Rules.Net.Subnets[0].Hops[:1]
		connects(s, "198.51.100.7:443")
	}, "service web can't reach 198.51.100.7:443: subnet subnet-a has no route there", "is dropped", "--destination-cidr-block 0.0.0.0/0"},
	{"no-way", func(s *snapshot.Snapshot) { s.Rules.Net.VPCs[0].ByMachine = false; connects(s, "198.51.100.7:443") }, "leads there by internet gateway igw-1, and it has no public address", "is dropped", `"assignPublicIp":"ENABLED"`},
	{"check-redirected", func(s *snapshot.Snapshot) {
		whytest.Fails(s, elbv2.Seen{Status: "302 Found", Location: "/login", Took: 3 * time.Millisecond})
	}, "gets a 302 to /login, and only 200 counts", "GET http://10.0.0.9:8080/health → 302 Found after 3ms, Location: /login", `"HttpCode":"200,302"`},
	{"wrong-port", func(s *snapshot.Snapshot) {
		whytest.Fails(s, elbv2.Seen{Error: "connection refused"})
		s.Sockets["default/"+whytest.TaskID('1')] = []sockets.Socket{whytest.Listens("0.0.0.0:3000"), whytest.Listens("127.0.0.1:9000")}
	}, "nothing of service web listens on port 8080, which target group web asks; port 3000 is open", "listen on 0.0.0.0:3000, 127.0.0.1:9000", `"containerPort":3000`},
	{"wrong-path", func(s *snapshot.Snapshot) {
		whytest.Fails(s, elbv2.Seen{Status: "404 Not Found", Body: "no such page"})
	}, "for /health, with 404 Not Found", `"no such page"`, "--health-check-path /"},
	{"on-loopback", func(s *snapshot.Snapshot) {
		whytest.Fails(s, elbv2.Seen{Error: "connection refused"})
		s.Sockets["default/"+whytest.TaskID('1')] = []sockets.Socket{whytest.Listens("127.0.0.1:8080")}
	}, "listens on 127.0.0.1:8080 only", "listen on 127.0.0.1:8080", "0.0.0.0:8080"},
	{"slow-start", func(s *snapshot.Snapshot) {
		killed(s, scene.Scene{Targets: []scene.Target{{Group: whytest.Pool, Port: 8080, State: "unhealthy", At: whytest.Now, Asked: "http://10.0.0.11:8080/health", Error: "connection refused"}}})
	}, "was stopped 40s after its start, when nothing of it listened yet; its grace period is 0 s", "took 5s", "--health-check-grace-period-seconds 17"},
	{"check-times-out", func(s *snapshot.Snapshot) {
		whytest.Fails(s, elbv2.Seen{Status: "200 OK", Took: 7 * time.Second})
	}, "answers the health check of target group web after 7s, and only 5 s are waited", "after 7s", "--health-check-timeout-seconds 14"},
	{"answers-to-its-host", func(s *snapshot.Snapshot) {
		seen := elbv2.Seen{Status: "400 Bad Request", Asked: "http://10.0.0.9:8080/health"}
		whytest.Fails(s, seen)
		s.Probes[elbv2.TargetKey(whytest.Pool, "10.0.0.9", 8080)] = snapshot.Probe{Seen: seen, Hosts: map[string]elbv2.Seen{whytest.Host: {Status: "200 OK", Asked: seen.Asked}}}
	}, "because of its Host header: for shop.example.com it answers 200 OK", "health check with Host: shop.example.com", `"HttpCode":"200,400"`},
	{"out-of-memory", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(t *ecs.Task, left *ecs.Remains) {
			t.Containers[0].ExitCode, t.Containers[0].Reason, left.OOM = aws.Int32(137), "OutOfMemoryError: Container killed due to memory usage", true
		})
	}, "needed more than its 512 MiB: the task's memory", "OutOfMemoryError", "--memory 1024"},
	{"crash-loop", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(_ *ecs.Task, left *ecs.Remains) {
			left.Lines = []string{"starting", "panic: no DATABASE_URL", "bye"}
		})
	}, `ends with exit code 1 after 40s, and says "panic: no DATABASE_URL"`, "app's image shop:1 → shop:2", "--task-definition web:6"},
	{"bad-command", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(t *ecs.Task, _ *ecs.Remains) {
			t.StopCode, t.Containers[0].ExitCode, t.Containers[0].Reason = types.TaskStopCodeTaskFailedToStart, nil, `CannotStartContainerError: exec: "serve": executable file not found in $PATH`
			t.Reason = t.Containers[0].Reason
		})
	}, "can't run serve: image shop:2 has no such file", "executable file not found", "ENTRYPOINT"},
	{"bad-command", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(t *ecs.Task, left *ecs.Remains) {
			left.Lines = []string{"exec /app: exec format error"}
			t.Containers[0].ExitCode = aws.Int32(126)
		})
	}, "another architecture", "exec format error", "--platform"},
	{"no-image", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(t *ecs.Task, _ *ecs.Remains) {
			t.StopCode, t.Containers[0].ExitCode = types.TaskStopCodeTaskFailedToStart, nil
			t.Reason = "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref 127.0.0.1:4566/shop:3: 127.0.0.1:4566/shop:3: not found"
			t.Containers[0].Image, t.Containers[0].Reason = "127.0.0.1:4566/shop:3", t.Reason
		})
	}, "repository shop has no image 3", "not found", "docker push 127.0.0.1:4566/shop:3"},
	{"no-room", func(s *snapshot.Snapshot) {
		s.Services[0].Desired = 9
		d := s.Primaries[whytest.Service]
		d.Rollout.Unplaced = "RESOURCE:MEMORY"
		s.Primaries[whytest.Service] = d
	}, "has 2 of 9 tasks: the machine has no room for another one of 256 CPU units and 512 MiB", "1024 of 8192 MiB", "--desired-count 2"},
	{"dependency-unmet", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(t *ecs.Task, left *ecs.Remains) {
			t.StopCode, t.Containers[0].ExitCode = types.TaskStopCodeTaskFailedToStart, nil
			t.Containers[0].Reason = "CannotStartContainerError: dependency graph: failed to resolve container ordering dependency [init(RUNNING)] for target [app] as dependency did not exit successfully."
			t.Containers = append(t.Containers, ecs.Container{Name: "init", Status: ecs.Stopped, ExitCode: aws.Int32(3), TermAt: whytest.Now})
		})
	}, "waited in vain for container init, which ended with exit code 3", "dependency graph", "START"},
	{"no-log-group", func(s *snapshot.Snapshot) {
		d := s.Definitions[whytest.Definition]
		d.ContainerDefinitions[0].LogConfiguration = &types.LogConfiguration{Options: map[string]string{"awslogs-group": "/web"}}
		whytest.FailsToStart(s, "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log group does not exist. : exit status 1")
	}, "there is no log group /web", "ResourceNotFoundException", "aws logs create-log-group --log-group-name /web"},
	{"no-files", func(s *snapshot.Snapshot) {
		d := s.Definitions[whytest.Definition]
		d.Volumes = []types.Volume{{Name: aws.String("data"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{FileSystemId: aws.String("fs-1")}}}
		s.Definitions[whytest.Definition] = d
		whytest.FailsToStart(s, `ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes: Failed to resolve "fs-1.efs.us-west-2.amazonaws.com"`)
	}, "file system fs-1: it has no mount target in zone us-west-2a", "Failed to resolve", "aws efs create-mount-target --file-system-id fs-1 --subnet-id subnet-a"},
	{"no-secret", func(s *snapshot.Snapshot) {
		d := s.Definitions[whytest.Definition]
		d.ContainerDefinitions[0].Secrets = []types.Secret{{Name: aws.String("DB"), ValueFrom: aws.String("arn:aws:secretsmanager:us-west-2:1:secret:db-url")}}
		whytest.FailsToStart(s, "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: Secrets Manager can't find the specified secret.")
	}, "because secret DB can't be read: Secrets Manager can't find the specified secret.", "asm", "aws secretsmanager create-secret --name db-url"},
	{"no-role", func(s *snapshot.Snapshot) {
		whytest.FailsToStart(s, "ECS was unable to assume the role 'arn:aws:iam::1:role/shop' that was provided for this task. Please verify")
	}, "can't have role arn:aws:iam::1:role/shop", "unable to assume", "aws iam update-assume-role-policy --role-name shop"},
	{"storage-full", func(s *snapshot.Snapshot) {
		whytest.Ends(s, func(_ *ecs.Task, left *ecs.Remains) { left.Lines = []string{"write /tmp/x: no space left on device"} })
	}, "found no room to write to", "no space left", "skylift status"},
	{"read-only-root", func(s *snapshot.Snapshot) {
		s.Definitions[whytest.Definition].ContainerDefinitions[0].ReadonlyRootFilesystem = aws.Bool(true)
		whytest.Ends(s, func(_ *ecs.Task, left *ecs.Remains) { left.Lines = []string{"open /app/log: read-only file system"} })
	}, "readonlyRootFilesystem makes read-only", "read-only file system", `"readonlyRootFilesystem":false`},
	{"port-taken", func(s *snapshot.Snapshot) {
		d := s.Definitions[whytest.Definition]
		d.ContainerDefinitions = append(d.ContainerDefinitions, types.ContainerDefinition{Name: aws.String("side")})
		s.Definitions[whytest.Definition] = d
		whytest.Ends(s, func(_ *ecs.Task, left *ecs.Remains) {
			left.Lines = []string{"listen tcp :8080: bind: address already in use"}
		})
	}, "can't listen on port 8080, which is taken in its task", "[side]", "another port"},
	{"deaf-to-term", func(s *snapshot.Snapshot) {
		t := whytest.Task('4', netip.MustParseAddr("10.0.0.12"))
		t.Desired, t.Status, t.StopCode, t.Reason = ecs.Stopped, ecs.Stopped, types.TaskStopCodeServiceSchedulerInitiated, "Scaling activity initiated by deployment"
		t.Containers[0].ExitCode, t.Containers[0].TermAt, t.ExecutionStopped = aws.Int32(137), whytest.Now.Add(-time.Minute), whytest.Now.Add(-30*time.Second)
		s.Tasks = append(s.Tasks, t)
	}, "was killed after 30s", "exit code 137", "exec"},
	{"no-room-to-move", func(s *snapshot.Snapshot) {
		d := s.Primaries[whytest.Service]
		d.Rollout.Blocked = true
		s.Primaries[whytest.Service] = d
		s.Services[0].MaximumPercent = 100
	}, "can neither start nor stop a task", "maximumPercent 100", `"maximumPercent":200`},
	{"deployment-held", func(s *snapshot.Snapshot) {
		t := whytest.Task('5', netip.MustParseAddr("10.0.0.13"))
		t.Deployment, t.ProtectedUntil = ecs.DeploymentID("r1"), whytest.Now.Add(time.Hour)
		s.Tasks = append(s.Tasks, t)
	}, "waits for 1 protected tasks", "protected until 2026-11-30T13:00:00Z", "--no-protection-enabled"},
	{"deployment-failed", func(s *snapshot.Snapshot) {
		all := s.Deployments[whytest.Service]
		all[1].Progress = ecs.Progress{Status: types.ServiceDeploymentStatusRollbackSuccessful, Tripped: true, Failures: 3, Reason: "tasks failed to start.", Rollback: &ecs.Rollback{Revision: "r1"}}
	}, "the deployment of web:7 to service web was given up after 3 tasks of it had failed, and rolled back to web:6", "tasks failed to start.", "deploy again"},
	{"rule-shadowed", func(s *snapshot.Snapshot) {
		late := s.Rule[0]
		late.ARN, late.Priority, late.Conditions = "arn:r/20", 20, []elbv2.Condition{{Field: "host-header", Values: []string{"shop.example.com"}}, {Field: "path-pattern", Values: []string{"/api/*"}}}
		s.Rule = append(s.Rule, late)
	}, "rule 20 of load balancer front, port 80, is never met: rule 10 takes all", "GET http://shop.example.com/api/x", "set-rule-priorities"},
	{"no-rule", func(s *snapshot.Snapshot) { s.Rule = nil; s.Sets = nil }, "no rule of any load balancer sends requests to target group web, which service web is in", "there are 0 rules", "aws elbv2 create-rule --listener-arn arn:l/80 --priority 1"},
	{"port-contested", func(s *snapshot.Snapshot) { s.Bound["127.0.0.1:80"] = errors.New("address already in use") }, "can't listen on 127.0.0.1:80", "address already in use", "ss -ltnp"},
	{"server-errors", func(s *snapshot.Snapshot) {
		s.Recent = counts(map[int]uint64{502: 12}, meter.TargetCounts{Target: netip.MustParseAddrPort("10.0.0.9:8080"), Requests: 50, Failed: 12, Refused: 3, State: "healthy"})
	}, "load balancer front answered 12 with 502 in the last 10m0s", "12 of 50 requests failed, 3 connections were refused", "idle timeout"},
	{"uneven-load", func(s *snapshot.Snapshot) {
		s.TargetGroups[0].Attributes = map[string]string{"stickiness.enabled": "true"}
		s.Recent = counts(nil, meter.TargetCounts{Requests: 950, State: "healthy"}, meter.TargetCounts{Requests: 50, State: "healthy"})
	}, "one of the 2 targets of web gets 95 % of the requests", "950 of 1000", `"Value":"false"`},
	{"bad-certificate", func(s *snapshot.Snapshot) { secure(s, "shop.example.com", whytest.Now.Add(-time.Hour)) }, "the certificate for shop.example.com of load balancer front, port 80, has expired", "valid until 2026-11-30T11:00:00Z", "import-certificate"},
	{"bad-certificate", func(s *snapshot.Snapshot) { secure(s, "other.example.com", whytest.Now.Add(99*24*time.Hour)) }, "is for shop.example.com: clients that ask for it get the one for other.example.com", "for other.example.com", "--domain-name shop.example.com"},
	{"name-dangling", func(s *snapshot.Snapshot) {
		s.Sets[0].Alias = &record.Alias{Zone: "ZELB", Name: "old-7.elb.localhost."}
	}, "shop.example.com leads to old-7.elb.localhost, which is no load balancer's name any more", "A old-7", `"DNSName":"front-1.elb.localhost"`},
	{"name-dangling", func(s *snapshot.Snapshot) { s.DNS = nil }, "nobody answers for zone example.com", "without --dns-listen", "skylift serve --dns-listen"},
	{"name-one-sided", func(s *snapshot.Snapshot) { s.Zones[0].Private = true }, "shop.example.com resolves inside the VPC only", "no public zone", "change-resource-record-sets"},
	{"far-away", func(s *snapshot.Snapshot) {
		s.Sockets["default/"+whytest.TaskID('1')] = append(s.Sockets["default/"+whytest.TaskID('1')], sockets.Socket{Remote: netip.MustParseAddrPort("198.51.100.7:5432"), RTT: 41 * time.Millisecond, Sent: 3000})
		s.Counts = counts(nil, meter.TargetCounts{Target: netip.MustParseAddrPort("10.0.0.9:8080"), Requests: 100})
	}, "needs 41ms for each round trip to PostgreSQL at 198.51.100.7:5432", "41ms × 30.0", "fewer queries"},
	{"machine", func(s *snapshot.Snapshot) { s.Machine = []string{"the disk has 1 GB left"} }, "the disk has 1 GB left", "1 GB", "skylift status"},
}

// connects lets the first task wait for a connection.
func connects(s *snapshot.Snapshot, to string) {
	key := "default/" + whytest.TaskID('1')
	s.Sockets[key] = append(s.Sockets[key], whytest.Waits(to))
}

// killed lets a third task be stopped for its health checks.
func killed(s *snapshot.Snapshot, scene scene.Scene) {
	whytest.Ends(s, func(t *ecs.Task, _ *ecs.Remains) {
		t.StopCode, t.Reason = types.TaskStopCodeServiceSchedulerInitiated, "Task failed ELB health checks in (target-group "+whytest.Pool+")"
		t.Containers[0].ExitCode = aws.Int32(0)
	})
	key := s.Tasks[2].Key()
	e := s.Evidence[key]
	e.Scene = &scene
	s.Evidence[key] = e
}

func counts(codes map[int]uint64, targets ...meter.TargetCounts) meter.Counts {
	b := meter.BalancerCounts{Balancer: whytest.Balancer}
	b.ByCode = codes
	return meter.Counts{Balancers: []meter.BalancerCounts{b}, Pools: []meter.PoolCounts{{Pool: whytest.Pool, Balancer: whytest.Balancer, Targets: targets}}}
}

// secure gives the listener a certificate for a name, until its end.
func secure(s *snapshot.Snapshot, name string, end time.Time) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: end.Add(-1000 * time.Hour), NotAfter: end, DNSNames: []string{name}}
	leaf, _ := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	s.Listeners[0].TLS = &elbv2.TLS{Certificate: "arn:cert"}
	s.Certificates = []acm.Certificate{{ARN: "arn:cert", Domain: name, Names: []string{name}, Status: acmtypes.CertificateStatusIssued, Leaf: leaf}}
}

// TestChecks makes each thing go wrong, and looks that this is told, and nothing else.
func TestChecks(t *testing.T) {
	t.Parallel()
	for _, p := range pictures {
		t.Run(p.check, func(t *testing.T) {
			t.Parallel()
			s := whytest.Healthy()
			p.change(s)
			found := why.Everything(s).Findings
			if len(found) != 1 || found[0].Check != p.check {
				for _, f := range found {
					t.Errorf("found %s: %s %v", f.Check, f.Cause, f.Evidence)
				}
				t.Fatalf("want one finding of %s", p.check)
			}
			shows, mends := "", ""
			for _, e := range found[0].Evidence {
				shows += e.What + ": " + e.Says + "\n"
			}
			for _, m := range found[0].Mend {
				mends += m.Say + ": " + m.Command + "\n"
			}
			if !strings.Contains(found[0].Cause, p.cause) || !strings.Contains(shows, p.shows) || !strings.Contains(mends, p.mend) {
				t.Errorf("cause %q, want %q in it\nevidence\n%swant %q in it\nmends\n%swant %q in it", found[0].Cause, p.cause, shows, p.shows, mends, p.mend)
			}
		})
	}
}

// TestHealthy holds all checks against a site in which all is well.
func TestHealthy(t *testing.T) {
	t.Parallel()
	a := why.Everything(whytest.Healthy())
	for _, f := range a.Findings {
		t.Errorf("found %s: %s %v", f.Check, f.Cause, f.Evidence)
	}
	if len(a.Looked) != len(why.Checks()) {
		t.Errorf("it looked at %q", a.Looked)
	}
}

// Each check has its number, its texts and a picture.
func TestEveryCheckHasAPicture(t *testing.T) {
	t.Parallel()
	seen, last := map[string]bool{}, 0
	for _, p := range pictures {
		seen[p.check] = true
	}
	for _, c := range why.Checks() {
		if c.Number <= last || c.Name == "" || c.Title == "" || c.Shows == "" || c.Known == "" || c.Mend == "" || c.Find == nil {
			t.Errorf("check %d, %s, after %d: incomplete", c.Number, c.Name, last)
		}
		if last = c.Number; !seen[c.Name] {
			t.Errorf("%s has no picture", c.Name)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	s := whytest.Healthy()
	whytest.Fails(s, elbv2.Seen{Status: "302 Found", Location: "/login"})
	for ref, want := range map[string]string{
		"web": "service web in cluster default", whytest.TaskID('1')[:8]: "task 1111", "front": "load balancer front", "10.0.0.9:8080": "10.0.0.9, the address of a task of service web",
		"https://shop.example.com/cart": "host name shop.example.com", whytest.Pool: "target group web", whytest.Rule: "the rule with priority 10", whytest.Listener: "the listener on port 80",
		"arn:aws:ecs:us-west-2:1:service/default/web": "service web", "arn:aws:ecs:us-west-2:1:service-deployment/default/web/d2": "service web",
	} {
		a, err := why.Of(s, ref, "")
		if err != nil || !strings.HasPrefix(a.Thing, want) || len(a.Findings) != 1 || a.Findings[0].Check != "check-redirected" {
			t.Errorf("%s: %q, %v, %+v", ref, a.Thing, err, a.Findings)
		}
	}
	other := s.Services[0]
	other.Name = "blog"
	s.Services = append(s.Services, other)
	s.Primaries["default/blog"] = ecs.Deployment{}
	s.Rule = append(s.Rule, elbv2.Rule{ARN: "arn:r/11", Listener: whytest.Listener, LoadBalancer: whytest.Balancer, Priority: 11})
	if a, err := why.Of(s, "blog", ""); err != nil || len(a.Findings) != 0 {
		t.Errorf("blog: %+v, %v", a.Findings, err)
	}
	if a, err := why.Of(s, "sg-db", ""); err != nil || len(a.Findings) != 0 || len(a.Looked) == 0 {
		t.Errorf("sg-db: %+v, %v", a, err)
	}
	if _, err := why.Of(s, "nobody", ""); !errors.Is(err, why.ErrNone) {
		t.Errorf("nobody: %v", err)
	}
}

// Tasks of no service have nothing to do with each other.
func TestOfLoneTasks(t *testing.T) {
	t.Parallel()
	s := whytest.Healthy()
	for _, digit := range []byte{'a', 'b'} {
		whytest.Ends(s, func(t *ecs.Task, left *ecs.Remains) {
			t.ID, t.Service, left.Lines = whytest.TaskID(digit), "", []string{"panic: " + string(digit)}
		})
	}
	a, err := why.Of(s, whytest.TaskID('a'), "")
	if err != nil || len(a.Findings) != 1 || !strings.Contains(a.Findings[0].Cause, "panic: a") {
		t.Errorf("%+v, %v", a.Findings, err)
	}
}

func TestReach(t *testing.T) {
	t.Parallel()
	s := whytest.Healthy()
	for _, tt := range []struct{ a, b, port, want string }{
		{"web", "10.0.0.50", "5432", "let a connection from 10.0.0.9 to 10.0.0.50:5432 through"},
		{"web", "10.0.0.50:6379", "", "the security group there, sg-db (db), has no ingress rule for port 6379"},
		{"web", "internet", "", "to 203.0.113.1:443 through"},
		{"web", "front", "", "to 10.0.0.5:80 through"},
		{"web", "web", "", "the security group there, sg-web (web), has no ingress rule for port 8080"},
	} {
		a, err := why.Reach(s, tt.a, tt.b, tt.port, "")
		said := strings.Join(a.Looked, "\n")
		for _, f := range a.Findings {
			said += f.Cause
		}
		if err != nil || !strings.Contains(said, tt.want) {
			t.Errorf("%s to %s %s: %q, %v, want %q", tt.a, tt.b, tt.port, said, err, tt.want)
		}
	}
	for _, tt := range [][3]string{{"nobody", "web", ""}, {"web", "nobody", ""}, {"web", "10.0.0.50", "70000"}} {
		if _, err := why.Reach(s, tt[0], tt[1], tt[2], ""); !errors.Is(err, why.ErrNone) {
			t.Errorf("%v: %v", tt, err)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	got := finding.NewCall("ecs", "UpdateService", "cluster", "default", "service", "it's", "desiredCount", 2, "forceNewDeployment", true, "tasks", []string{"a", "b c"},
		"networkConfiguration", map[string]any{"x": 1}, "DNSName", "n", "HealthCheckGracePeriodSeconds", int32(3)).Command()
	want := `aws ecs update-service --cluster default --service 'it'\''s' --desired-count 2 --force-new-deployment --tasks a 'b c' --network-configuration '{"x":1}' --dns-name n --health-check-grace-period-seconds 3`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// BenchmarkEverything answers for a thousand tasks behind a balancer, a tenth of which fail their checks.
func BenchmarkEverything(b *testing.B) {
	for b.Loop() {
		s := whytest.Healthy()
		for i := range 1000 {
			addr := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/250), byte(1 + i%250)})
			task := whytest.Task('1', addr)
			task.ID = fmt.Sprintf("%032x", i)
			s.Tasks = append(s.Tasks, task)
			s.Targets = append(s.Targets, elbv2.Target{Group: whytest.Pool, Addr: addr.String(), Port: 8080})
			s.Rules.Members = append(s.Rules.Members, vpc.Member{ID: task.ID, Addr: addr, Groups: []string{"sg-web"}})
			if i%10 == 0 {
				s.Health[elbv2.TargetKey(whytest.Pool, addr.String(), 8080)] = elbv2.TargetHealth{State: elbv2.StateUnhealthy, Seen: elbv2.Seen{Status: "302 Found"}}
			}
		}
		if n := len(why.Everything(s).Findings); n != 1 {
			b.Fatalf("%d findings", n)
		}
	}
}
