package ecs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// options are log options with those of the driver that are required.
func options(more ...string) map[string]string {
	o := map[string]string{"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x"}
	for i := 0; i < len(more); i += 2 {
		o[more[i]] = more[i+1]
	}
	return o
}

// TestWhatAWSTakesIsTaken registers what is seldom written and what AWS's own
// samples write: it comes back as it was sent.
func TestWhatAWSTakesIsTaken(t *testing.T) {
	checked := func(command ...string) func(*types.ContainerDefinition) {
		return func(c *types.ContainerDefinition) { c.HealthCheck = &types.HealthCheck{Command: command} }
	}
	logs := func(more ...string) func(*types.ContainerDefinition) {
		return func(c *types.ContainerDefinition) {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: options(more...)}
		}
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		for name, change := range map[string]func(*types.ContainerDefinition){
			"program without CMD":    checked("/healthcheck"),
			"arguments without CMD":  checked("curl", "-f", "http://localhost/"),
			"no check":               checked("NONE"),
			"True":                   logs("awslogs-create-group", "True"),
			"TRUE":                   logs("awslogs-create-group", "TRUE"),
			"t":                      logs("awslogs-create-group", "t"),
			"0":                      logs("awslogs-create-group", "0"),
			"buffer without mode":    logs("max-buffer-size", "25m"),
			"empty options":          logs("awslogs-create-group", "", "awslogs-multiline-pattern", "", "mode", "", "tag", "", "max-buffer-size", ""),
			"empty pattern and date": logs("awslogs-multiline-pattern", "", "awslogs-datetime-format", "%Y"),
			"same variable twice": func(c *types.ContainerDefinition) {
				c.Environment = []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("1")}, {Name: aws.String("A")}}
			},
			"nothing": func(c *types.ContainerDefinition) {
				c.Secrets, c.EnvironmentFiles, c.Links, c.DnsServers, c.DockerSecurityOptions = []types.Secret{}, []types.EnvironmentFile{}, []string{}, []string{}, []string{}
				c.RepositoryCredentials, c.FirelensConfiguration, c.Hostname = &types.RepositoryCredentials{}, nil, aws.String("")
			},
		} {
			in := ecstest.WebDefinition()
			in.Family = aws.String("full")
			change(&in.ContainerDefinitions[0])
			if err := comesBack(w, in); err != nil {
				w.T.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestProtocolIsTCPUnlessUDP: ECS treats any other protocol as tcp.
func TestProtocolIsTCPUnlessUDP(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		in := ecstest.WebDefinition()
		in.ContainerDefinitions[0].PortMappings = []types.PortMapping{{ContainerPort: aws.Int32(80), Protocol: "TCP"}, {ContainerPort: aws.Int32(80), Protocol: "udp"}}
		out, err := w.API.RegisterTaskDefinition(w.T.Context(), in)
		if err != nil {
			w.T.Fatal(err)
		}
		if got := out.TaskDefinition.ContainerDefinitions[0].PortMappings; got[0].Protocol != "tcp" || got[1].Protocol != "udp" {
			w.T.Errorf("%v and %v, want tcp and udp", got[0].Protocol, got[1].Protocol)
		}
	})
}

// asked is the error that a client gets of what needs no record to be known.
func asked(w *ecstest.World, in any) error {
	w.T.Helper()
	s, err := wiretest.New("ecs", w.API.Operations())
	if err != nil {
		w.T.Fatal(err)
	}
	_, err = s.Decode(w.T, in)
	return err
}

// TestAllFaultsAreToldAtOnce registers a definition that is wrong in many
// places: the answer names each, in order, with the container.
func TestAllFaultsAreToldAtOnce(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		in := ecstest.WebDefinition()
		in.TaskRoleArn = aws.String("arn:role/a")
		in.NetworkMode, in.Memory = "", aws.String("300")
		in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 5}
		in.Volumes = []types.Volume{{Name: aws.String("v"), Host: &types.HostVolumeProperties{SourcePath: aws.String("/var")}}}
		c := &in.ContainerDefinitions[0]
		c.Secrets = []types.Secret{{Name: aws.String("S"), ValueFrom: aws.String("arn:a b")}}
		c.Privileged, c.Hostname = aws.Bool(true), aws.String("h")
		c.HealthCheck = &types.HealthCheck{Command: []string{"CMD"}, Interval: aws.Int32(1), Retries: aws.Int32(99)}
		c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{"mode": "fast"}}
		another(types.ContainerDefinition{
			Name: aws.String("db"), Secrets: c.Secrets, StopTimeout: aws.Int32(600),
			DependsOn:   []types.ContainerDependency{{ContainerName: aws.String("cache"), Condition: "HEALTHY"}},
			MountPoints: []types.MountPoint{{SourceVolume: aws.String("w"), ContainerPath: aws.String("w")}},
		})(in)
		another(types.ContainerDefinition{Name: aws.String("web")})(in)
		in.ContainerDefinitions = append(in.ContainerDefinitions, types.ContainerDefinition{LogConfiguration: &types.LogConfiguration{LogDriver: "awsfirelens"}})
		err := asked(w, in)
		wantError(w.T, err, "ClientException", "")
		rest := err.Error()
		for _, want := range []string{
			"Role is not valid", "networkMode", "EphemeralStorage size", "you must also specify a value for 'executionRoleArn'", "No Fargate configuration exists for given values: 256 CPU, 300 memory. (With cpu 256, memory is 512, 1024 or 2048.)",
			"sourcePath of volume 'v'", "parameter name specified for secret S is invalid.", "hostname of container 'web'", "privileged of container 'web'",
			"'healthCheck' setting for container 'web': the command", "interval must be", "retries must be", "requires options: awslogs-group, awslogs-region", "awslogs-stream-prefix", "Invalid 'mode'",
			"stopTimeout of container 'db' is 600", "Unknown volume 'w'", "containerPath 'w'",
			"Container #4 has none.", "Container.image", "Log driver 'awsfirelens' of container '#4'", "'web' is there twice", "Cannot depend on container + 'cache'",
		} {
			_, after, found := strings.Cut(rest, want)
			if !found {
				w.T.Errorf("%q isn't told in its place, of %v", want, err)
				continue
			}
			rest = after
		}
	})
}

// TestGraceCoversContainerChecks: a grace period needs no balancer, and while it
// lasts a task whose container checks fail isn't replaced.
func TestGraceCoversContainerChecks(t *testing.T) {
	ecstest.Play(t, fake.Config{Behave: sick}, func(w *ecstest.World) {
		in := ecstest.WebDefinition()
		in.ContainerDefinitions[0].HealthCheck = &types.HealthCheck{Command: []string{"/healthcheck"}, Interval: aws.Int32(5), Retries: aws.Int32(1)}
		if _, err := w.API.RegisterTaskDefinition(w.T.Context(), in); err != nil {
			w.T.Fatal(err)
		}
		w.Service(1, func(in *sdk.CreateServiceInput) { in.HealthCheckGracePeriodSeconds = aws.Int32(60) })
		if got := aws.ToInt32(w.Describe().HealthCheckGracePeriodSeconds); got != 60 {
			w.T.Errorf("the grace period is %d, want 60", got)
		}
		w.After(50 * time.Second)
		if h := w.Tasks(types.DesiredStatusRunning)[0].HealthStatus; h != types.HealthStatusUnhealthy {
			w.T.Fatalf("the task is %s: its check doesn't run", h)
		}
		if n := len(w.Tasks(types.DesiredStatusStopped)); n != 0 {
			w.T.Errorf("%d tasks were stopped within the grace period", n)
		}
		w.Update(&sdk.UpdateServiceInput{HealthCheckGracePeriodSeconds: aws.Int32(20)})
		w.After(20 * time.Second)
		gone := w.Tasks(types.DesiredStatusStopped)
		if len(gone) == 0 || !strings.Contains(*gone[0].StoppedReason, "failed container health checks") {
			w.T.Errorf("after the grace period: stopped %v", gone)
		}
	})
}

// sick is a container whose checks fail.
func sick(engine.Container) fake.Behaviour { return fake.Behaviour{Unhealthy: true} }

// TestAllFaultsOfACall: what is wrong with a service or with RunTask is told at
// once, too.
func TestAllFaultsOfACall(t *testing.T) {
	all := func(t *testing.T, err error, words ...string) {
		t.Helper()
		wantError(t, err, badCode, "")
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("it isn't said %q: %v", word, err)
			}
		}
	}
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		w.Define()
		err := asked(w, &sdk.CreateServiceInput{
			ServiceName: aws.String("a b"), LaunchType: types.LaunchTypeEc2, ServiceConnectConfiguration: &types.ServiceConnectConfiguration{Enabled: true}, Role: aws.String("r"),
			HealthCheckGracePeriodSeconds: aws.Int32(-1), DesiredCount: aws.Int32(-1), PlacementStrategy: []types.PlacementStrategy{{}}, Tags: []types.Tag{{Key: aws.String("aws:x")}},
		})
		all(w.T, err, "'serviceConnectConfiguration'", "'role'", "Invalid service name", "TaskDefinition cannot be empty", "desiredCount", "healthCheckGracePeriodSeconds", "FARGATE", "Placement strategies", "aws:")
		err = asked(w, &sdk.UpdateServiceInput{
			Service: aws.String("web"), DesiredCount: aws.Int32(-1), ServiceConnectConfiguration: &types.ServiceConnectConfiguration{Enabled: true}, HealthCheckGracePeriodSeconds: aws.Int32(-1),
		})
		all(w.T, err, "'serviceConnectConfiguration'", "desiredCount", "healthCheckGracePeriodSeconds")
		err = asked(w, &sdk.RunTaskInput{
			TaskDefinition: aws.String("web"), Count: aws.Int32(11), LaunchType: types.LaunchTypeEc2, Group: aws.String("service:x"),
			VolumeConfigurations: []types.TaskVolumeConfiguration{{Name: aws.String("v")}},
		})
		all(w.T, err, "'volumeConfigurations'", "Count must be", "FARGATE", "reserved")
		err = asked(w, &sdk.RunTaskInput{
			TaskDefinition: aws.String("web"),
			Overrides: &types.TaskOverride{InferenceAcceleratorOverrides: []types.InferenceAcceleratorOverride{{}}, ContainerOverrides: []types.ContainerOverride{ //nolint:staticcheck // deprecated by AWS, so refused
				{Name: aws.String("web"), ResourceRequirements: []types.ResourceRequirement{{Type: "GPU", Value: aws.String("1")}}},
			}},
		})
		all(w.T, err, "'overrides.inferenceAcceleratorOverrides'", "'overrides.containerOverrides.web.resourceRequirements'")
		_, err = w.Launch(func(in *sdk.RunTaskInput) { // what is known of the definition
			in.Overrides = &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{Name: aws.String("db")}, {Name: aws.String("db")}}}
		})
		all(w.T, err, "db is not a container", "more than once")
	})
}
