package ecs_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	smithy "github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/engine/fake"
	"github.com/skylift/skylift/internal/service/ecs/ecstest"
)

func slicesSorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// refusal is a definition that isn't taken, and how that is said.
type refusal struct {
	name   string
	change func(*registration)
	want   string // in the message
}

// refusals are all that is refused of a definition that was right before.
func refusals() []refusal {
	return slices.Concat(taskRefusals(), containerRefusals(), orderRefusals(), kernelRefusals(), portRefusals(), volumeRefusals(), logRefusals())
}

// first changes the definition's container.
func first(change func(c *types.ContainerDefinition)) func(*registration) {
	return func(in *registration) { change(&in.ContainerDefinitions[0]) }
}

// another adds a container.
func another(c types.ContainerDefinition) func(*registration) {
	return func(in *registration) {
		c.Image = aws.String("i")
		in.ContainerDefinitions = append(in.ContainerDefinitions, c)
	}
}

func taskRefusals() []refusal {
	return []refusal{
		{"family", func(in *registration) { in.Family = aws.String("a b") }, "Family contains invalid characters."},
		{"no family", func(in *registration) { in.Family = aws.String("") }, "Family can not be blank."},
		{"no cpu", func(in *registration) { in.Cpu = nil }, "Fargate requires that 'cpu' be defined at the task level."},
		{"no memory", func(in *registration) { in.Memory = nil }, "Fargate requires that 'memory' be defined at the task level."},
		{"pair", func(in *registration) { in.Memory = aws.String("4096") }, "No Fargate configuration exists for given values: 256 CPU, 4096 memory."},
		{"cpu", func(in *registration) { in.Cpu = aws.String("lots") }, "Invalid 'cpu' setting for task: lots."},
		{"memory", func(in *registration) { in.Memory = aws.String("1 TB") }, "Invalid 'memory' setting for task: 1 TB."},
		{"network mode", func(in *registration) { in.NetworkMode = types.NetworkModeBridge }, "Fargate only supports network mode ‘awsvpc’."},
		{"no network mode", func(in *registration) { in.NetworkMode = "" }, "Fargate only supports network mode ‘awsvpc’."},
		{"ec2", func(in *registration) {
			in.RequiresCompatibilities = []types.Compatibility{types.CompatibilityEc2}
		}, "requiresCompatibilities EC2 is not supported by Skylift; use FARGATE."},
		{"external", func(in *registration) {
			in.RequiresCompatibilities = append(in.RequiresCompatibilities, types.CompatibilityExternal)
		}, "requiresCompatibilities EXTERNAL"},
		{"storage on ec2", func(in *registration) {
			in.RequiresCompatibilities = append(in.RequiresCompatibilities, types.CompatibilityEc2)
			in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 30}
		}, "Tasks using the EC2 launch type do not support EphemeralStorage."},
		{"little storage", func(in *registration) { in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 20} }, "EphemeralStorage size should be at least 21."},
		{"much storage", func(in *registration) { in.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: 201} }, "EphemeralStorage size should be at most 200."},
		{"pid mode", func(in *registration) { in.PidMode = types.PidModeHost }, "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."},
		{"ipc mode", func(in *registration) { in.IpcMode = types.IpcModeTask }, "Fargate compatible task definitions do not support ipcMode."},
		{"constraints", func(in *registration) {
			in.PlacementConstraints = []types.TaskDefinitionPlacementConstraint{{Type: types.TaskDefinitionPlacementConstraintTypeMemberOf}}
		}, "Fargate compatible task definitions do not support constraints."},
		{"accelerators", func(in *registration) {
			in.InferenceAccelerators = []types.InferenceAccelerator{{}} //nolint:staticcheck // deprecated by AWS, so refused
		}, "Unsupported field 'inferenceAccelerators'."},
		{"proxy", func(in *registration) {
			in.ProxyConfiguration = &types.ProxyConfiguration{ContainerName: aws.String("web")}
		}, "The parameter 'proxyConfiguration' is not supported by Skylift."},
		{"execution role", func(in *registration) { in.ExecutionRoleArn = aws.String("arn:role") }, "Role is not valid."},
		{"task role", func(in *registration) { in.TaskRoleArn = aws.String("a role") }, "Role is not valid"},
		{"task role of another service", func(in *registration) { in.TaskRoleArn = aws.String("arn:aws:iam::111122223333:user/app") }, "Role is not valid"},
		{"system", func(in *registration) {
			in.RuntimePlatform = &types.RuntimePlatform{OperatingSystemFamily: types.OSFamilyWindowsServer2022Core}
		}, "operatingSystemFamily WINDOWS_SERVER_2022_CORE is not supported by Skylift; use LINUX."},
		{"length", func(in *registration) {
			in.ContainerDefinitions[0].DockerLabels = map[string]string{"a": strings.Repeat("<", 65536)}
		}, "Max allowed length is '65536' bytes."},
		{"architecture", func(in *registration) { in.RuntimePlatform = &types.RuntimePlatform{CpuArchitecture: "PDP11"} }, "cpuArchitecture PDP11"},
	}
}

func containerRefusals() []refusal {
	named := func(parameter string, change func(c *types.ContainerDefinition)) refusal {
		return refusal{parameter, first(change), "The parameter 'containerDefinitions.web." + parameter + "' is not supported by Skylift."}
	}
	return []refusal{
		{"no containers", func(in *registration) { in.ContainerDefinitions = nil }, "Container list cannot be empty."},
		{"many containers", func(in *registration) {
			for i := range 10 {
				another(types.ContainerDefinition{Name: aws.String(fmt.Sprint("c", i))})(in)
			}
		}, "Too many containers"},
		{"same name", another(types.ContainerDefinition{Name: aws.String("web")}), "Container names must be unique within a task definition."},
		{"none essential", first(func(c *types.ContainerDefinition) { c.Essential = aws.Bool(false) }), "Task definition doesn't have any essential container."},
		{"no name", first(func(c *types.ContainerDefinition) { c.Name = nil }), "Container.name should not be null or empty."},
		{"name", first(func(c *types.ContainerDefinition) { c.Name = aws.String("a b") }), "Container.name contains invalid characters."},
		{"image", first(func(c *types.ContainerDefinition) { c.Image = aws.String("$IMAGE") }), "Container.image contains invalid characters."},
		{"no image", first(func(c *types.ContainerDefinition) { c.Image = aws.String("") }), "Container.image should not be null or empty."},
		{"long image", first(func(c *types.ContainerDefinition) { c.Image = aws.String(strings.Repeat("a", 256)) }), "at most 255 characters"},
		{"digest", first(func(c *types.ContainerDefinition) { c.Image = aws.String("a@sha256:12") }), "a digest of the form sha256:<64 hex digits>"},
		{"variable", first(func(c *types.ContainerDefinition) { c.Environment = []types.KeyValuePair{{Value: aws.String("x")}} }), "Invalid 'environment' setting for container 'web'"},
		{"negative cpu", first(func(c *types.ContainerDefinition) { c.Cpu = -1 }), "Invalid 'cpu' setting for container 'web'"},
		{"cpu", first(func(c *types.ContainerDefinition) { c.Cpu = 512 }), "The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value."},
		{"memory", first(func(c *types.ContainerDefinition) { c.Memory = aws.Int32(1024) }), "The 'memory' setting for container 'web' is greater than for the task."},
		{"little memory", first(func(c *types.ContainerDefinition) { c.Memory = aws.Int32(5) }), "'memory' must be at least 6 MiB."},
		{"little reservation", first(func(c *types.ContainerDefinition) { c.MemoryReservation = aws.Int32(5) }), "'memoryReservation' must be at least 6 MiB."},
		{"reservation", first(func(c *types.ContainerDefinition) { c.Memory, c.MemoryReservation = aws.Int32(64), aws.Int32(128) }), "'memory' must be greater than or equal to 'memoryReservation'."},
		{"all memory", func(in *registration) {
			in.ContainerDefinitions[0].MemoryReservation = aws.Int32(256)
			another(types.ContainerDefinition{Name: aws.String("db"), Memory: aws.Int32(257)})(in)
		}, "The sum of the containers' memory must not exceed the task's memory of 512 MiB."},
		{"links", first(func(c *types.ContainerDefinition) { c.Links = []string{"db"} }), "Links are not supported when networkMode=awsvpc."},
		{"hostname", first(func(c *types.ContainerDefinition) { c.Hostname = aws.String("h") }), "hostname is not supported on container when networkMode=awsvpc."},
		{"dns", first(func(c *types.ContainerDefinition) { c.DnsServers = []string{"1.1.1.1"} }), "DNS servers are not supported on container when networkMode=awsvpc."},
		{"search domains", first(func(c *types.ContainerDefinition) { c.DnsSearchDomains = []string{"a"} }), "DNS search domains are not supported on container when networkMode=awsvpc."},
		{"hosts", first(func(c *types.ContainerDefinition) { c.ExtraHosts = []types.HostEntry{{}} }), "Extra hosts are not supported on container when networkMode=awsvpc."},
		{"no network", first(func(c *types.ContainerDefinition) { c.DisableNetworking = aws.Bool(true) }), "Disable Networking is not supported on container when networkMode=awsvpc."},
		{"privileged", first(func(c *types.ContainerDefinition) { c.Privileged = aws.Bool(true) }), "Fargate requires that the 'privileged' setting be 'false'."},
		{"security", first(func(c *types.ContainerDefinition) { c.DockerSecurityOptions = []string{"no-new-privileges"} }), "Fargate compatible task definitions do not support dockerSecurityOptions."},
		{"gpu", first(func(c *types.ContainerDefinition) {
			c.ResourceRequirements = []types.ResourceRequirement{{Type: types.ResourceTypeGpu, Value: aws.String("1")}}
		}), "Tasks using the Fargate launch type do not support GPU resource requirements."},
		{"resourceRequirements", first(func(c *types.ContainerDefinition) {
			c.ResourceRequirements = []types.ResourceRequirement{{Type: types.ResourceTypeInferenceAccelerator, Value: aws.String("d")}}
		}), "The parameter 'resourceRequirements' of 'container web' is not supported by Skylift."},
		named("firelensConfiguration", func(c *types.ContainerDefinition) {
			c.FirelensConfiguration = &types.FirelensConfiguration{Type: types.FirelensConfigurationTypeFluentbit}
		}),
		named("credentialSpecs", func(c *types.ContainerDefinition) { c.CredentialSpecs = []string{"credentialspec:arn"} }),
	}
}

func orderRefusals() []refusal {
	waits := func(on string, condition types.ContainerCondition) []types.ContainerDependency {
		return []types.ContainerDependency{{ContainerName: &on, Condition: condition}}
	}
	health := func(change func(h *types.HealthCheck)) func(*registration) {
		return first(func(c *types.ContainerDefinition) {
			c.HealthCheck = &types.HealthCheck{Command: []string{"CMD-SHELL", "true"}}
			change(c.HealthCheck)
		})
	}
	of := func(command ...string) func(*registration) {
		return health(func(h *types.HealthCheck) { h.Command = command })
	}
	restart := func(change func(p *types.ContainerRestartPolicy)) func(*registration) {
		return first(func(c *types.ContainerDefinition) {
			c.RestartPolicy = &types.ContainerRestartPolicy{Enabled: aws.Bool(true)}
			change(c.RestartPolicy)
		})
	}
	both := func(web, db func(c *types.ContainerDefinition)) func(*registration) {
		return func(in *registration) {
			another(types.ContainerDefinition{Name: aws.String("db"), Essential: aws.Bool(false)})(in)
			web(&in.ContainerDefinitions[0])
			db(&in.ContainerDefinitions[1])
		}
	}
	dependsOn := func(on string, condition types.ContainerCondition) func(*types.ContainerDefinition) {
		return func(c *types.ContainerDefinition) { c.DependsOn = waits(on, condition) }
	}
	mounts := func(of string) func(*types.ContainerDefinition) {
		return func(c *types.ContainerDefinition) { c.VolumesFrom = []types.VolumeFrom{{SourceContainer: &of}} }
	}
	const cycle = "Container dependsOn contains a cycle."
	return []refusal{
		{"unknown dependency", first(dependsOn("db", types.ContainerConditionStart)), "Cannot depend on container + 'db' because it does not exist."},
		{"itself", first(dependsOn("web", types.ContainerConditionStart)), cycle},
		{"each other", both(dependsOn("db", types.ContainerConditionStart), dependsOn("web", types.ContainerConditionStart)), cycle},
		{"unknown condition", both(dependsOn("db", "READY"), dependsOn("web", types.ContainerConditionStart)), "Invalid dependsOn condition 'READY'."},
		{"end of an essential one", both(dependsOn("db", types.ContainerConditionComplete), func(c *types.ContainerDefinition) { c.Essential = nil }), "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."},
		{"success of an essential one", both(func(*types.ContainerDefinition) {}, dependsOn("web", types.ContainerConditionSuccess)), "A dependency container with SUCCESS or COMPLETE condition cannot be an essential container."},
		{"health without check", both(dependsOn("db", types.ContainerConditionHealthy), func(*types.ContainerDefinition) {}), "A dependency container with HEALTHY condition must have health check configured."},
		{"health of no check", both(dependsOn("db", types.ContainerConditionHealthy), func(c *types.ContainerDefinition) {
			c.HealthCheck = &types.HealthCheck{Command: []string{"NONE"}}
		}), "A dependency container with HEALTHY condition must have health check configured."},
		{"volumes of nobody", first(mounts("db")), "Invalid 'volumesFrom' setting for container 'web': there is no container 'db'."},
		{"volumes of each other", both(mounts("db"), mounts("web")), "Container volumesFrom contains a cycle."},
		{"volumes of who waits", both(mounts("db"), dependsOn("web", types.ContainerConditionStart)), "Container dependsOn and volumesFrom together contain a cycle."},
		{"short start", first(func(c *types.ContainerDefinition) { c.StartTimeout = aws.Int32(1) }), "Granular start timeout on container 'web' must be at least 2 seconds."},
		{"long start", first(func(c *types.ContainerDefinition) { c.StartTimeout = aws.Int32(121) }), "Tasks using the Fargate launch type must have a container start timeout of less than 120 seconds."},
		{"short stop", first(func(c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(1) }), "Granular stop timeout on container 'web' must be at least 2 seconds."},
		{"long stop", first(func(c *types.ContainerDefinition) { c.StopTimeout = aws.Int32(121) }), "Tasks using the Fargate launch type must have a container stop timeout of less than 120 seconds."},
		{"no check", of(), "Invalid 'healthCheck' setting for container 'web': the command must be"},
		{"check of no program", of("", "localhost"), "Invalid 'healthCheck' setting for container 'web': the command must be"},
		{"empty check", of("CMD"), "Invalid 'healthCheck' setting for container 'web': the command must be"},
		{"check of nothing", of("NONE", "x"), "Invalid 'healthCheck' setting for container 'web': the command must be"},
		{"interval", health(func(h *types.HealthCheck) { h.Interval = aws.Int32(4) }), "interval must be between 5 and 300"},
		{"timeout", health(func(h *types.HealthCheck) { h.Timeout = aws.Int32(61) }), "timeout must be between 2 and 60"},
		{"retries", health(func(h *types.HealthCheck) { h.Retries = aws.Int32(0) }), "retries must be between 1 and 10"},
		{"start period", health(func(h *types.HealthCheck) { h.StartPeriod = aws.Int32(301) }), "startPeriod must be between 0 and 300"},
		{"restart or not", restart(func(p *types.ContainerRestartPolicy) { p.Enabled = nil }), "enabled must be given"},
		{"exit codes", restart(func(p *types.ContainerRestartPolicy) { p.IgnoredExitCodes = make([]int32, 51) }), "ignoredExitCodes must have at most 50 items"},
		{"attempt period", restart(func(p *types.ContainerRestartPolicy) { p.RestartAttemptPeriod = aws.Int32(59) }), "The 'restartAttemptPeriod' setting for container 'web' must be between 60 and 1800."},
	}
}

func kernelRefusals() []refusal {
	limit := func(limits ...types.Ulimit) func(*registration) {
		return first(func(c *types.ContainerDefinition) { c.Ulimits = limits })
	}
	control := func(names ...string) func(*registration) {
		return first(func(c *types.ContainerDefinition) {
			for _, n := range names {
				c.SystemControls = append(c.SystemControls, types.SystemControl{Namespace: &n, Value: aws.String("1")})
			}
		})
	}
	linux := func(p types.LinuxParameters) func(*registration) {
		return first(func(c *types.ContainerDefinition) { c.LinuxParameters = &p })
	}
	tmpfs := func(at string, size int32, options ...string) func(*registration) {
		return linux(types.LinuxParameters{Tmpfs: []types.Tmpfs{{ContainerPath: &at, Size: size, MountOptions: options}}})
	}
	return []refusal{
		{"soft over hard", limit(types.Ulimit{Name: types.UlimitNameCore, SoftLimit: 2, HardLimit: 1}), "the soft limit of core must not exceed its hard limit"},
		{"endless soft", limit(types.Ulimit{Name: types.UlimitNameCore, SoftLimit: -1, HardLimit: 1}), "the soft limit of core must not exceed its hard limit"},
		{"negative limit", limit(types.Ulimit{Name: types.UlimitNameCore, SoftLimit: -2, HardLimit: 1}), "the limits of core must not be negative"},
		{"many files", limit(types.Ulimit{Name: types.UlimitNameNofile, SoftLimit: 1, HardLimit: 1048577}), "the limits of nofile must not exceed 1048576"},
		{"endless files", limit(types.Ulimit{Name: types.UlimitNameNofile, SoftLimit: 1, HardLimit: -1}), "the limits of nofile must not exceed 1048576"},
		{"limit twice", limit(types.Ulimit{Name: types.UlimitNameCore}, types.Ulimit{Name: types.UlimitNameCore}), "core is there twice"},
		{"control of the machine", control("vm.swappiness"), "vm.swappiness is not a namespaced kernel parameter"},
		{"control twice", control("net.a", "net.a"), "net.a is there twice"},
		{"nameless control", control(""), "namespace and value must be given"},
		{"devices", linux(types.LinuxParameters{Devices: []types.Device{{HostPath: aws.String("/dev/kvm")}}}), "Fargate compatible task definitions do not support devices."},
		{"shared memory", linux(types.LinuxParameters{SharedMemorySize: aws.Int32(64)}), "Fargate compatible task definitions do not support sharedMemorySize."},
		{"swap", linux(types.LinuxParameters{MaxSwap: aws.Int32(0)}), "Fargate compatible task definitions do not support maxSwap."},
		{"swappiness", linux(types.LinuxParameters{Swappiness: aws.Int32(60)}), "Fargate compatible task definitions do not support swappiness."},
		{"capability", linux(types.LinuxParameters{Capabilities: &types.KernelCapabilities{Add: []string{"SYS_ADMIN"}}}), "SYS_ADMIN is not allowed on Fargate."},
		{"unknown capability", linux(types.LinuxParameters{Capabilities: &types.KernelCapabilities{Drop: []string{"CAP_KILL"}}}), "there is no capability CAP_KILL to drop"},
		{"tmpfs path", tmpfs("run", 1), "containerPath 'run' must be an absolute path"},
		{"tmpfs size", tmpfs("/run", 0), "the size of /run must be at least 1 MiB"},
		{"tmpfs option", tmpfs("/run", 1, "huge=always"), "the mount option 'huge=always'"},
		{"tmpfs option without value", tmpfs("/run", 1, "mode"), "the mount option 'mode'"},
	}
}

func portRefusals() []refusal {
	mapping := func(m ...types.PortMapping) func(*registration) {
		return first(func(c *types.ContainerDefinition) { c.PortMappings = m })
	}
	of := func(r string) types.PortMapping { return types.PortMapping{ContainerPortRange: &r} }
	many := make([]types.PortMapping, 101)
	for i := range many {
		many[i] = of(fmt.Sprintf("%d-%d", 100+2*i, 101+2*i))
	}
	return []refusal{
		{"no port", mapping(types.PortMapping{}), "Invalid 'containerPort' setting for container 'web'"},
		{"port 0", mapping(types.PortMapping{ContainerPort: aws.Int32(0)}), "Invalid 'containerPort' setting for container 'web'"},
		{"host port", mapping(types.PortMapping{ContainerPort: aws.Int32(81), HostPort: aws.Int32(80)}), "When networkMode=awsvpc, the host ports and container ports in port mappings must match."},
		{"port and range", mapping(types.PortMapping{ContainerPort: aws.Int32(81), ContainerPortRange: aws.String("1-2")}), "cannot specify both single port and port range"},
		{"range backwards", mapping(of("2-1")), "Invalid 'containerPortRange' setting for container 'web'"},
		{"no range", mapping(of("all")), "Invalid 'containerPortRange' setting for container 'web'"},
		{"range from 0", mapping(of("0-1")), "Invalid 'containerPortRange' setting for container 'web'"},
		{"overlap", mapping(of("80-90"), types.PortMapping{ContainerPort: aws.Int32(90)}), "The container port is used multiple times in task: 80-90/tcp of container 'web' and 90/tcp of container 'web'"},
		{"many ranges", mapping(many...), "at most 100 may have a containerPortRange"},
		{"port name", mapping(types.PortMapping{ContainerPort: aws.Int32(80), Name: aws.String("-http")}), "the name '-http' must have"},
		{"same port name", mapping(types.PortMapping{ContainerPort: aws.Int32(80), Name: aws.String("a")}, types.PortMapping{ContainerPort: aws.Int32(81), Name: aws.String("a")}), "The port mapping name is already used: 'a' of container 'web'."},
		{"same port", another(types.ContainerDefinition{Name: aws.String("b"), PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}}}), "8080/tcp of container 'web' and 8080/tcp of container 'b'"},
	}
}

func volumeRefusals() []refusal {
	volume := func(v types.Volume) func(*registration) {
		return func(in *registration) {
			v.Name = aws.String("v")
			in.Volumes = []types.Volume{v}
		}
	}
	efs := func(change func(e *types.EFSVolumeConfiguration)) func(*registration) {
		e := &types.EFSVolumeConfiguration{FileSystemId: aws.String("fs-01234567"), AuthorizationConfig: &types.EFSAuthorizationConfig{}}
		change(e)
		return volume(types.Volume{EfsVolumeConfiguration: e})
	}
	mount := func(source string, at ...string) func(*registration) {
		return func(in *registration) {
			in.Volumes = []types.Volume{{Name: aws.String("v")}}
			for _, p := range at {
				in.ContainerDefinitions[0].MountPoints = append(in.ContainerDefinitions[0].MountPoints, types.MountPoint{SourceVolume: &source, ContainerPath: &p})
			}
		}
	}
	return []refusal{
		{"unknown volume", mount("data", "/d"), "Unknown volume 'data'."},
		{"relative path", mount("v", "d"), "Invalid 'mountPoints' setting for container 'web': containerPath 'd' must be an absolute path."},
		{"two at a path", mount("v", "/d", "/d/"), "two volumes are to be at /d"},
		{"volume and tmpfs", func(in *registration) {
			mount("v", "/d")(in)
			in.ContainerDefinitions[0].LinuxParameters = &types.LinuxParameters{Tmpfs: []types.Tmpfs{{ContainerPath: aws.String("/d"), Size: 1}}}
		}, "two volumes are to be at /d"},
		{"nameless", func(in *registration) { in.Volumes = []types.Volume{{}} }, "Invalid volume name ''"},
		{"same volume name", func(in *registration) { in.Volumes = []types.Volume{{Name: aws.String("v")}, {Name: aws.String("v")}} }, "'v' is there twice"},
		{"host path", volume(types.Volume{Host: &types.HostVolumeProperties{SourcePath: aws.String("/etc")}}), "Fargate compatible task definitions do not support sourcePath."},
		{"docker volume", volume(types.Volume{DockerVolumeConfiguration: &types.DockerVolumeConfiguration{}}), "Fargate compatible task definitions do not support dockerVolumeConfiguration."},
		{"fsx", volume(types.Volume{FsxWindowsFileServerVolumeConfiguration: &types.FSxWindowsFileServerVolumeConfiguration{FileSystemId: aws.String("fs-01234567")}}), "The parameter 'volumes.v.fsxWindowsFileServerVolumeConfiguration' is not supported by Skylift."},
		{"s3files", volume(types.Volume{S3filesVolumeConfiguration: &types.S3FilesVolumeConfiguration{FileSystemArn: aws.String("arn")}}), "The parameter 'volumes.v.s3filesVolumeConfiguration' is not supported by Skylift."},
		{"ebs", volume(types.Volume{ConfiguredAtLaunch: aws.Bool(true)}), "The parameter 'volumes.v.configuredAtLaunch' is not supported by Skylift."},
		{"two kinds", func(in *registration) {
			efs(func(*types.EFSVolumeConfiguration) {})(in)
			in.Volumes[0].Host = &types.HostVolumeProperties{SourcePath: aws.String("/x")}
		}, "When the volume parameter is specified, only one volume configuration type should be used."},
		{"file system", efs(func(e *types.EFSVolumeConfiguration) { e.FileSystemId = aws.String("data") }), "Invalid fileSystemId 'data' of volume 'v'"},
		{"root", efs(func(e *types.EFSVolumeConfiguration) { e.RootDirectory = aws.String("data") }), "Invalid rootDirectory 'data' of volume 'v'"},
		{"way out", efs(func(e *types.EFSVolumeConfiguration) { e.RootDirectory = aws.String("/a/../../etc") }), "Invalid rootDirectory '/a/../../etc' of volume 'v'"},
		{"open port", efs(func(e *types.EFSVolumeConfiguration) { e.TransitEncryptionPort = aws.Int32(2049) }), "TransitEncryptionPort requires that TransitEncryption is enabled."},
		{"port of efs", efs(func(e *types.EFSVolumeConfiguration) {
			e.TransitEncryption, e.TransitEncryptionPort = types.EFSTransitEncryptionEnabled, aws.Int32(65536)
		}), "Invalid transitEncryptionPort of volume 'v'"},
		{"access point", efs(func(e *types.EFSVolumeConfiguration) { e.AuthorizationConfig.AccessPointId = aws.String("p") }), "Invalid accessPointId 'p' of volume 'v'"},
		{"open access point", efs(func(e *types.EFSVolumeConfiguration) {
			e.AuthorizationConfig.AccessPointId = aws.String("fsap-01234567")
		}), "EFS IAM access point requires TransitEncryption to be enabled."},
		{"access point and root", efs(func(e *types.EFSVolumeConfiguration) {
			e.TransitEncryption, e.RootDirectory, e.AuthorizationConfig.AccessPointId = types.EFSTransitEncryptionEnabled, aws.String("/data"), aws.String("fsap-01234567")
		}), `When using an EFS access point, the root directory must either be set to "/" or be omitted.`},
		{"open iam", efs(func(e *types.EFSVolumeConfiguration) {
			e.AuthorizationConfig.Iam = types.EFSAuthorizationConfigIAMEnabled
		}), "EFS IAM authorization requires TransitEncryption to be enabled."},
		{"iam of nobody", efs(func(e *types.EFSVolumeConfiguration) {
			e.TransitEncryption, e.AuthorizationConfig.Iam = types.EFSTransitEncryptionEnabled, types.EFSAuthorizationConfigIAMEnabled
		}), "EFS IAM authorization requires a task role. (Volume 'v'.)"},
	}
}

func logRefusals() []refusal {
	logs := func(change func(l *types.LogConfiguration)) func(*registration) {
		return first(func(c *types.ContainerDefinition) {
			c.LogConfiguration = &types.LogConfiguration{LogDriver: types.LogDriverAwslogs, Options: map[string]string{
				"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "x",
			}}
			change(c.LogConfiguration)
		})
	}
	with := func(options ...string) func(*registration) {
		return logs(func(l *types.LogConfiguration) {
			for i := 0; i < len(options); i += 2 {
				l.Options[options[i]] = options[i+1]
			}
		})
	}
	without := func(options ...string) func(*registration) {
		return logs(func(l *types.LogConfiguration) {
			for _, o := range options {
				delete(l.Options, o)
			}
		})
	}
	driver := func(d types.LogDriver) func(*registration) {
		return logs(func(l *types.LogConfiguration) { l.LogDriver = d })
	}
	return []refusal{
		{"log driver", driver(types.LogDriverSyslog), "syslog is not a valid log driver. Must be one of [awslogs, splunk, awsfirelens]"},
		{"splunk", driver(types.LogDriverSplunk), "Log driver 'splunk' of container 'web' is not supported by Skylift; use awslogs."},
		{"firelens", driver(types.LogDriverAwsfirelens), "Log driver 'awsfirelens' of container 'web' is not supported by Skylift; use awslogs."},
		{"log secrets", logs(func(l *types.LogConfiguration) { l.SecretOptions = []types.Secret{{Name: aws.String("x")}} }), "The parameter 'containerDefinitions.web.logConfiguration.secretOptions' is not supported by Skylift."},
		{"endpoint", with("awslogs-endpoint", "http://x", "tag", "x"), "Log driver awslogs disallows options: awslogs-endpoint, tag."},
		{"no group", without("awslogs-group"), "Log driver awslogs requires options: awslogs-group."},
		{"nothing", without("awslogs-group", "awslogs-region"), "Log driver awslogs requires options: awslogs-group, awslogs-region."},
		{"no prefix", without("awslogs-stream-prefix"), "Fargate requires log configuration options to include awslogs-stream-prefix to support log driver awslogs."},
		{"region", with("awslogs-region", "eu-west-1"), "awslogs-region eu-west-1 of container 'web' is not supported by Skylift; logs are kept in us-west-2."},
		{"create group", with("awslogs-create-group", "yes"), "Invalid 'awslogs-create-group' setting for container 'web': it must be true or false."},
		{"pattern and date", with("awslogs-multiline-pattern", "^x", "awslogs-datetime-format", "%Y"), "both the awslogs-datetime-format and awslogs-multiline-pattern"},
		{"pattern", with("awslogs-multiline-pattern", "("), "Invalid 'awslogs-multiline-pattern' setting for container 'web'"},
		{"date", with("awslogs-datetime-format", "[%Y-%m-%d]"), "Invalid 'awslogs-datetime-format' setting for container 'web'"},
		{"no date", with("awslogs-datetime-format", "date"), "'date' has no directive of strftime, such as %Y"},
		{"mode", with("mode", "fast"), "it must be blocking or non-blocking"},
		{"buffer of blocking", with("mode", "blocking", "max-buffer-size", "1m"), "it is only supported with 'mode=non-blocking'"},
		{"buffer of no mode", with("max-buffer-size", "1 potato"), "'1 potato' must be a size such as 25m"},
		{"buffer", with("mode", "non-blocking", "max-buffer-size", "lots"), "'lots' must be a size such as 25m"},
		{"no buffer", with("mode", "non-blocking", "max-buffer-size", "0m"), "'0m' must be a size such as 25m"},
	}
}

// TestBadTaskDefinitions registers what is refused: as ECS words it where that
// is known, and nothing is registered.
func TestBadTaskDefinitions(t *testing.T) {
	ecstest.Play(t, fake.Config{}, func(w *ecstest.World) {
		for _, tt := range refusals() {
			in := ecstest.WebDefinition()
			tt.change(in)
			err := ecstest.Unsupported(w, in)
			if err == nil {
				_, err = w.API.RegisterTaskDefinition(w.T.Context(), in)
			}
			if e, ok := errors.AsType[smithy.APIError](err); !ok || e.ErrorCode() != "ClientException" || !strings.Contains(e.ErrorMessage(), tt.want) {
				w.T.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
			}
		}
		if out, err := w.API.ListTaskDefinitions(w.T.Context(), &sdk.ListTaskDefinitionsInput{}); err != nil || len(out.TaskDefinitionArns) != 0 {
			w.T.Errorf("registered all the same: %v, %v", out, err)
		}
	})
}
