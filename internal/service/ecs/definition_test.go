package ecs_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/engine/fake"
)

type registration = sdk.RegisterTaskDefinitionInput

// features are all that a definition of two containers, web and db, may say
// beyond the least that it must. Any of them go together.
var features = map[string]func(in *registration, web, db *types.ContainerDefinition){
	"pid": func(in *registration, _, _ *types.ContainerDefinition) { in.PidMode = types.PidModeTask },
	"storage": func(in *registration, _, _ *types.ContainerDefinition) {
		in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 21}
	},
	"compatibilities": func(in *registration, _, _ *types.ContainerDefinition) {
		in.RequiresCompatibilities = []types.Compatibility{types.CompatibilityFargate}
	},
	"platform": func(in *registration, _, _ *types.ContainerDefinition) {
		in.RuntimePlatform = &types.RuntimePlatform{OperatingSystemFamily: types.OSFamilyLinux}
	},
	"faults": func(in *registration, _, _ *types.ContainerDefinition) { in.EnableFaultInjection = aws.Bool(false) },
	"scratch": func(in *registration, web, db *types.ContainerDefinition) {
		in.Volumes = append(in.Volumes, types.Volume{Name: aws.String("scratch"), Host: &types.HostVolumeProperties{}}, types.Volume{Name: aws.String("bare"), ConfiguredAtLaunch: aws.Bool(false)})
		for _, c := range []*types.ContainerDefinition{web, db} {
			c.MountPoints = append(c.MountPoints, types.MountPoint{SourceVolume: aws.String("scratch"), ContainerPath: aws.String("/scratch"), ReadOnly: aws.Bool(c == web)})
		}
	},
	"efs": func(in *registration, _, db *types.ContainerDefinition) {
		in.Volumes = append(in.Volumes, types.Volume{Name: aws.String("data"), EfsVolumeConfiguration: &types.EFSVolumeConfiguration{
			FileSystemId: aws.String("fs-0123456789abcdef0"), RootDirectory: aws.String("/"), TransitEncryption: types.EFSTransitEncryptionEnabled, TransitEncryptionPort: aws.Int32(2999),
			AuthorizationConfig: &types.EFSAuthorizationConfig{AccessPointId: aws.String("fsap-0123456789abcdef0"), Iam: types.EFSAuthorizationConfigIAMDisabled},
		}})
		db.MountPoints = append(db.MountPoints, types.MountPoint{SourceVolume: aws.String("data"), ContainerPath: aws.String("/var/lib/db")})
	},
	"order": func(_ *registration, web, db *types.ContainerDefinition) {
		web.DependsOn = []types.ContainerDependency{{ContainerName: aws.String("db"), Condition: types.ContainerConditionStart}}
		db.StartTimeout, web.StartTimeout, web.StopTimeout = aws.Int32(2), aws.Int32(120), aws.Int32(120)
	},
	"health": func(_ *registration, web, db *types.ContainerDefinition) {
		web.HealthCheck = &types.HealthCheck{Command: []string{"CMD", "check", "-x"}, Interval: aws.Int32(5), Timeout: aws.Int32(2), Retries: aws.Int32(1), StartPeriod: aws.Int32(300)}
		db.HealthCheck = &types.HealthCheck{Command: []string{"CMD-SHELL", "check || exit 1"}}
	},
	"restart": func(_ *registration, web, db *types.ContainerDefinition) {
		web.RestartPolicy = &types.ContainerRestartPolicy{Enabled: aws.Bool(true), IgnoredExitCodes: []int32{0, 143}, RestartAttemptPeriod: aws.Int32(60)}
		db.RestartPolicy = &types.ContainerRestartPolicy{Enabled: aws.Bool(false)}
	},
	"kernel": func(_ *registration, web, _ *types.ContainerDefinition) {
		web.Ulimits = []types.Ulimit{{Name: types.UlimitNameNofile, SoftLimit: 1024, HardLimit: 4096}, {Name: types.UlimitNameMemlock, SoftLimit: -1, HardLimit: -1}}
		web.SystemControls = []types.SystemControl{{Namespace: aws.String("net.core.somaxconn"), Value: aws.String("1024")}, {Namespace: aws.String("kernel.shmmax"), Value: aws.String("65536")}}
		web.LinuxParameters = &types.LinuxParameters{
			InitProcessEnabled: aws.Bool(true),
			Capabilities:       &types.KernelCapabilities{Add: []string{"SYS_PTRACE"}, Drop: []string{"ALL", "NET_RAW"}},
			Tmpfs:              []types.Tmpfs{{ContainerPath: aws.String("/run"), Size: 64, MountOptions: []string{"noexec", "mode=1777"}}},
		}
		web.ReadonlyRootFilesystem, web.Privileged = aws.Bool(true), aws.Bool(false)
	},
	"process": func(_ *registration, web, db *types.ContainerDefinition) {
		web.Command, web.EntryPoint, web.WorkingDirectory, web.User = []string{"serve", ""}, []string{"/bin/web"}, aws.String("/srv"), aws.String("1000:1000")
		web.Environment = []types.KeyValuePair{{Name: aws.String("B"), Value: aws.String("2")}, {Name: aws.String("A"), Value: aws.String("")}}
		web.DockerLabels, web.Interactive, web.PseudoTerminal = map[string]string{"team": "a", "empty": ""}, aws.Bool(true), aws.Bool(true)
		db.VersionConsistency, web.VersionConsistency = types.VersionConsistencyDisabled, types.VersionConsistencyEnabled
	},
	"size": func(_ *registration, web, db *types.ContainerDefinition) {
		web.Cpu, web.Memory, web.MemoryReservation = 128, aws.Int32(256), aws.Int32(64)
		db.Cpu, db.Memory, db.Essential = 128, aws.Int32(128), aws.Bool(false)
	},
	"ports": func(_ *registration, web, db *types.ContainerDefinition) {
		web.PortMappings = []types.PortMapping{
			{ContainerPort: aws.Int32(80), HostPort: aws.Int32(80), Protocol: types.TransportProtocolTcp, Name: aws.String("http"), AppProtocol: types.ApplicationProtocolHttp2},
			{ContainerPort: aws.Int32(80), Protocol: types.TransportProtocolUdp},
		}
		db.PortMappings = []types.PortMapping{{ContainerPortRange: aws.String("5000-5009"), Name: aws.String("range")}}
	},
	"volumes from": func(_ *registration, web, db *types.ContainerDefinition) {
		web.VolumesFrom = []types.VolumeFrom{{SourceContainer: aws.String("db"), ReadOnly: aws.Bool(true)}}
	},
	"logs": func(_ *registration, web, db *types.ContainerDefinition) {
		web.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x", "awslogs-create-group": "true",
			"awslogs-datetime-format": `\[%Y-%m-%d`, "mode": "non-blocking", "max-buffer-size": "25m",
		}}
		db.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
			"awslogs-group": "/db", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x", "awslogs-multiline-pattern": `^\d+ `, "mode": "blocking",
		}}
	},
}

// featured is a definition with those of the features that keep says.
func featured(keep func(name string) bool) *registration {
	in := &registration{
		Family: aws.String("full"), Cpu: aws.String("256"), Memory: aws.String("512"), NetworkMode: types.NetworkModeAwsvpc,
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("web"), Image: aws.String("web")}, {Name: aws.String("db"), Image: aws.String("db:1@sha256:" + strings.Repeat("0a", 32))}},
	}
	for _, name := range slicesSorted(features) {
		if keep(name) {
			features[name](in, &in.ContainerDefinitions[0], &in.ContainerDefinitions[1])
		}
	}
	return in
}

// expected is what ECS shows of a definition: what was sent, and its defaults.
func expected(in *registration) *types.TaskDefinition {
	d := &types.TaskDefinition{
		Family: in.Family, Revision: 1, Status: types.TaskDefinitionStatusActive, Cpu: in.Cpu, Memory: in.Memory, NetworkMode: in.NetworkMode,
		TaskDefinitionArn:       aws.String(ours + "task-definition/full:1"),
		RequiresCompatibilities: in.RequiresCompatibilities, RuntimePlatform: in.RuntimePlatform, PidMode: in.PidMode, EphemeralStorage: in.EphemeralStorage,
		EnableFaultInjection: in.EnableFaultInjection, PlacementConstraints: []types.TaskDefinitionPlacementConstraint{}, Volumes: []types.Volume{},
		Compatibilities: []types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate},
	}
	if in.EphemeralStorage != nil {
		d.Compatibilities = d.Compatibilities[1:]
	}
	for _, v := range in.Volumes {
		if v.EfsVolumeConfiguration == nil {
			v.Host = &types.HostVolumeProperties{}
		}
		d.Volumes = append(d.Volumes, v)
	}
	for _, c := range in.ContainerDefinitions {
		if c.Essential == nil {
			c.Essential = aws.Bool(true)
		}
		for _, list := range []any{&c.PortMappings, &c.Environment, &c.MountPoints, &c.VolumesFrom, &c.SystemControls} {
			if v := reflect.ValueOf(list).Elem(); v.IsNil() {
				v.Set(reflect.MakeSlice(v.Type(), 0, 0))
			}
		}
		ports := []types.PortMapping{}
		for _, p := range c.PortMappings {
			if p.ContainerPort != nil {
				p.HostPort = p.ContainerPort
			}
			if p.Protocol == "" {
				p.Protocol = types.TransportProtocolTcp
			}
			ports = append(ports, p)
		}
		c.PortMappings = ports
		if h := c.HealthCheck; h != nil && h.Interval == nil {
			c.HealthCheck = &types.HealthCheck{Command: h.Command, Interval: aws.Int32(30), Timeout: aws.Int32(5), Retries: aws.Int32(3)}
		}
		d.ContainerDefinitions = append(d.ContainerDefinitions, c)
	}
	return d
}

// TestDefinitionComesBack registers definitions with any of the features: what
// was sent comes back, with ECS's defaults and nothing else.
func TestDefinitionComesBack(t *testing.T) {
	show := cmp.Options{
		cmpopts.IgnoreFields(types.TaskDefinition{}, "RegisteredAt", "RegisteredBy"),
		cmp.Exporter(func(reflect.Type) bool { return true }),
	}
	try := func(w *world, in *registration) {
		w.t.Helper()
		sent := fmt.Sprintf("%+v", in)
		out, err := w.api.RegisterTaskDefinition(w.t.Context(), in)
		if err != nil {
			w.t.Fatalf("%v: %s", err, sent)
		}
		if now := fmt.Sprintf("%+v", in); now != sent {
			w.t.Errorf("what was sent is changed: %s, was %s", now, sent)
		}
		described, err := w.api.DescribeTaskDefinition(w.t.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: out.TaskDefinition.TaskDefinitionArn})
		if err != nil {
			w.t.Fatal(err)
		}
		want := expected(in)
		want.Revision, want.TaskDefinitionArn = out.TaskDefinition.Revision, out.TaskDefinition.TaskDefinitionArn
		for what, got := range map[string]*types.TaskDefinition{"registered": out.TaskDefinition, "described": described.TaskDefinition} {
			if diff := cmp.Diff(want, got, show); diff != "" {
				w.t.Errorf("%s: %s", what, diff)
			}
		}
	}
	play(t, fake.Config{}, func(w *world) {
		try(w, featured(func(string) bool { return true }))
		try(w, featured(func(string) bool { return false }))
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 0))
			try(w, featured(func(string) bool { return r.IntN(2) == 0 }))
		}
	})
}

// TestEveryParameterIsDecided holds each parameter that the API has to be tried
// either by a feature or by a refusal.
func TestEveryParameterIsDecided(t *testing.T) {
	full := featured(func(string) bool { return true })
	full.Tags = []types.Tag{{Key: aws.String("a")}}
	used := map[string]bool{}
	mark := func(where string, v reflect.Value) {
		for f, value := range v.Fields() {
			if f.IsExported() && f.Name != "ResultMetadata" {
				used[where+f.Name] = used[where+f.Name] || !value.IsZero()
			}
		}
	}
	visit := func(in *registration) {
		mark("", reflect.ValueOf(*in))
		for _, c := range in.ContainerDefinitions {
			mark("container ", reflect.ValueOf(c))
			if c.LinuxParameters != nil {
				mark("linux ", reflect.ValueOf(*c.LinuxParameters))
			}
		}
		for _, v := range in.Volumes {
			mark("volume ", reflect.ValueOf(v))
		}
	}
	visit(full)
	for _, r := range refusals() {
		in := webDefinition()
		r.change(in)
		visit(in)
	}
	for name, is := range used {
		if !is {
			t.Errorf("no test says what becomes of %s", name)
		}
	}
}
