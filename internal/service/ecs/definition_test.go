package ecs_test

import (
	"encoding/json"
	"errors"
	rand "math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
	"github.com/skylift/skylift/internal/service/ecs/role"
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
			AuthorizationConfig: &types.EFSAuthorizationConfig{AccessPointId: aws.String("fsap-0123456789abcdef0"), Iam: types.EFSAuthorizationConfigIAMEnabled},
		}})
		in.TaskRoleArn = aws.String("app")
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
	"inputs": func(in *registration, web, db *types.ContainerDefinition) {
		in.TaskRoleArn, in.ExecutionRoleArn = aws.String("app"), aws.String("arn:aws:iam::111122223333:role/service/exec")
		web.Secrets = []types.Secret{
			{Name: aws.String("PASSWORD"), ValueFrom: aws.String("arn:aws:secretsmanager:us-west-2:111122223333:secret:db-AbCdEf:password::")},
			{Name: aws.String("TOKEN"), ValueFrom: aws.String("/web/token:3")},
			{Name: aws.String("PLAIN"), ValueFrom: aws.String("arn:aws:ssm:us-west-2:111122223333:parameter/plain")},
		}
		web.EnvironmentFiles = []types.EnvironmentFile{{Type: types.EnvironmentFileTypeS3, Value: aws.String("arn:aws:s3:::config/d/web.env")}}
		db.RepositoryCredentials = &types.RepositoryCredentials{CredentialsParameter: aws.String("arn:aws:secretsmanager:us-west-2:111122223333:secret:hub")}
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
	home := arn.Namespace{Account: "111122223333"}
	d.TaskRoleArn, _ = role.ARN(home, in.TaskRoleArn) // the definition was taken
	d.ExecutionRoleArn, _ = role.ARN(home, in.ExecutionRoleArn)
	if in.EphemeralStorage != nil {
		d.Compatibilities = d.Compatibilities[1:]
	}
	for _, v := range in.Volumes {
		if v.EfsVolumeConfiguration == nil && v.Host == nil {
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
		if c.HealthCheck != nil {
			h := *c.HealthCheck
			h.Interval, h.Timeout, h.Retries = firstOf(h.Interval, aws.Int32(30)), firstOf(h.Timeout, aws.Int32(5)), firstOf(h.Retries, aws.Int32(3))
			c.HealthCheck = &h
		}
		d.ContainerDefinitions = append(d.ContainerDefinitions, c)
	}
	return d
}

// firstOf returns n, or def when it isn't given.
func firstOf(n, def *int32) *int32 {
	if n == nil {
		return def
	}
	return n
}

// comesBack registers a definition, and holds it to come back as it was sent
// with ECS's defaults and nothing else.
func comesBack(w *ecstest.World, in *registration) error {
	w.T.Helper()
	sent := dumped(in)
	out, err := w.API.RegisterTaskDefinition(w.T.Context(), in)
	if now := dumped(in); now != sent {
		w.T.Errorf("what was sent is changed: %s, was %s", now, sent)
	}
	if err != nil {
		return err
	}
	described, err := w.API.DescribeTaskDefinition(w.T.Context(), &sdk.DescribeTaskDefinitionInput{TaskDefinition: out.TaskDefinition.TaskDefinitionArn})
	if err != nil {
		w.T.Fatal(err)
	}
	want := expected(in)
	if in.TaskRoleArn != nil && *in.TaskRoleArn != "" { // by its name
		want.TaskRoleArn = aws.String("arn:aws:iam::111122223333:role/" + *in.TaskRoleArn)
	}
	want.Revision, want.TaskDefinitionArn = out.TaskDefinition.Revision, out.TaskDefinition.TaskDefinitionArn
	show := cmp.Options{
		cmpopts.IgnoreFields(types.TaskDefinition{}, "RegisteredAt", "RegisteredBy"),
		cmp.Exporter(func(reflect.Type) bool { return true }),
	}
	for what, got := range map[string]*types.TaskDefinition{"registered": out.TaskDefinition, "described": described.TaskDefinition} {
		if diff := cmp.Diff(want, got, show); diff != "" {
			w.T.Errorf("%s: %s", what, diff)
		}
	}
	return nil
}

func dumped(in any) string {
	b, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// TestDefinitionComesBack registers definitions with any of the features.
func TestDefinitionComesBack(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		try := func(keep func(string) bool) {
			if err := comesBack(w, featured(keep)); err != nil {
				w.T.Errorf("%v: %s", err, dumped(featured(keep)))
			}
		}
		try(func(string) bool { return true })
		try(func(string) bool { return false })
		for seed := range uint64(200) {
			kept := map[string]bool{}
			r := rand.New(rand.NewPCG(seed, 0))
			for _, name := range slicesSorted(features) {
				kept[name] = r.IntN(2) == 0
			}
			try(func(name string) bool { return kept[name] })
		}
	})
}

// TestSpoiltDefinitions changes the definition with all features in a place or
// two, at random: it is refused by a ClientException, or it comes back so.
func TestSpoiltDefinitions(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		refused := 0
		for seed := range uint64(1000) {
			r := rand.New(rand.NewPCG(seed, 1))
			in := featured(func(string) bool { return true })
			for range 1 + r.IntN(2) {
				mutate(r, reflect.ValueOf(in))
			}
			in.Tags = nil // have a test of their own
			err := comesBack(w, in)
			if _, ok := errors.AsType[*types.ClientException](err); err != nil && !ok {
				w.T.Errorf("seed %d: %v: %s", seed, err, dumped(in))
			}
			if err != nil {
				refused++
			}
			if w.T.Failed() {
				w.T.Fatalf("seed %d: %s", seed, dumped(in))
			}
		}
		if refused < 100 || refused > 900 {
			w.T.Errorf("%d of 1000 are refused: that tries too little of either", refused)
		}
	})
}

// mutate changes v, or something in it.
func mutate(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		switch {
		case v.IsNil():
			v.Set(reflect.New(v.Type().Elem()))
			mutate(r, v.Elem())
		case v.CanSet() && r.IntN(4) == 0:
			v.SetZero()
		default:
			mutate(r, v.Elem())
		}
	case reflect.Struct:
		if f := v.Field(r.IntN(v.NumField())); f.CanSet() {
			mutate(r, f)
		}
	case reflect.Slice:
		switch n := v.Len(); {
		case n == 0:
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
			mutate(r, v.Index(0))
		case r.IntN(4) == 0: // one less
			v.Set(reflect.AppendSlice(v.Slice3(0, 0, 0), v.Slice(1, n)))
		case r.IntN(4) == 0: // one twice
			v.Set(reflect.Append(v.Slice3(0, n, n), v.Index(r.IntN(n))))
		default:
			mutate(r, v.Index(r.IntN(n)))
		}
	case reflect.Map:
		keys := v.MapKeys()
		if len(keys) == 0 {
			return
		}
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		values := []string{"", "x", "("}
		v.SetMapIndex(keys[r.IntN(len(keys))], reflect.ValueOf(values[r.IntN(len(values))]))
	case reflect.String:
		values := []string{"", "x", "/", "/../x", "-", "1", "web", "db", "data", strings.Repeat("x", 300)}
		v.SetString(values[r.IntN(len(values))])
	case reflect.Int32:
		values := []int64{-1, 0, 1, 2, 50, 61, 300, 70000, 1 << 30}
		v.SetInt(values[r.IntN(len(values))])
	case reflect.Bool:
		v.SetBool(!v.Bool())
	}
}

// TestEveryParameterIsDecided holds each parameter that the API has to be tried
// either by a feature or by a refusal: of the definition, and of each structure
// in it that is taken.
func TestEveryParameterIsDecided(t *testing.T) {
	full := featured(func(string) bool { return true })
	full.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}
	used := map[string]bool{}
	visit(reflect.ValueOf(full), func(parameter string, set bool) { used[parameter] = used[parameter] || set })
	for _, r := range refusals() {
		in := ecstest.WebDefinition()
		r.change(in)
		visit(reflect.ValueOf(in), func(parameter string, set bool) {
			if _, taken := used[parameter]; taken && set {
				used[parameter] = true
			}
		})
	}
	for parameter, is := range used {
		if !is {
			t.Errorf("no test says what becomes of %s", parameter)
		}
	}
}

// visit tells f of the members of all structures in v whether they are set.
func visit(v reflect.Value, f func(parameter string, set bool)) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			visit(v.Elem(), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visit(v.Index(i), f)
		}
	case reflect.Struct:
		for member, value := range v.Fields() {
			if member.IsExported() {
				f(v.Type().Name()+"."+member.Name, !value.IsZero())
				visit(value, f)
			}
		}
	}
}
