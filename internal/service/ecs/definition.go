package ecs

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// newDefinition checks what is to be registered and fills in what ECS fills in.
// Logs go to the region given.
func newDefinition(in *ecs.RegisterTaskDefinitionInput, region string) (*types.TaskDefinition, error) {
	err := refuse(in, client, "", "Family", "ContainerDefinitions", "Cpu", "Memory", "NetworkMode", "RequiresCompatibilities", "Tags", "RuntimePlatform")
	if err != nil {
		return nil, err
	}
	if err := checkPlatform(in.RuntimePlatform); err != nil {
		return nil, err
	}
	if !nameForm.MatchString(*in.Family) {
		return nil, client("Family: Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.")
	}
	for _, c := range in.RequiresCompatibilities {
		if c != types.CompatibilityFargate {
			return nil, client("requiresCompatibilities %s is not supported by Skylift; use FARGATE.", c)
		}
	}
	if in.NetworkMode != types.NetworkModeAwsvpc {
		return nil, client("Fargate only supports network mode ‘awsvpc’.")
	}
	cpu, memory, err := taskSize(in.Cpu, in.Memory)
	if err != nil {
		return nil, err
	}
	containers, err := newContainers(in.ContainerDefinitions, cpu, int64(memory), region)
	if err != nil {
		return nil, err
	}
	return &types.TaskDefinition{
		Family:                  in.Family,
		Status:                  types.TaskDefinitionStatusActive,
		ContainerDefinitions:    containers,
		Cpu:                     aws.String(strconv.Itoa(cpu)),
		Memory:                  aws.String(strconv.Itoa(memory)),
		NetworkMode:             in.NetworkMode,
		RequiresCompatibilities: in.RequiresCompatibilities,
		Compatibilities:         []types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate},
		Volumes:                 []types.Volume{},
		PlacementConstraints:    []types.TaskDefinitionPlacementConstraint{},
		RuntimePlatform:         in.RuntimePlatform,
	}, nil
}

// checkPlatform refuses what this machine is not.
func checkPlatform(p *types.RuntimePlatform) error {
	switch {
	case p == nil:
		return nil
	case p.OperatingSystemFamily != "" && p.OperatingSystemFamily != types.OSFamilyLinux:
		return client("operatingSystemFamily %s is not supported by Skylift; use LINUX.", p.OperatingSystemFamily)
	case p.CpuArchitecture != "" && !strings.EqualFold(string(p.CpuArchitecture), architecture):
		return client("cpuArchitecture %s is not what this machine has; use %s.", p.CpuArchitecture, strings.ToUpper(architecture))
	}
	return nil
}

// fargateSizes are the memory sizes in MiB for each number of CPU units: from,
// to, step.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
var fargateSizes = map[int][3]int{
	512:   {1024, 4096, 1024},
	1024:  {2048, 8192, 1024},
	2048:  {4096, 16384, 1024},
	4096:  {8192, 30720, 1024},
	8192:  {16384, 61440, 4096},
	16384: {32768, 122880, 8192},
}

var (
	cpuForm    = regexp.MustCompile(`(?i)^\s*(\d+(?:\.\d+)?|\.\d+)\s*(vcpu)?\s*$`)
	memoryForm = regexp.MustCompile(`(?i)^\s*(\d+(?:\.\d+)?|\.\d+)\s*(gb)?\s*$`)
)

// taskSize reads the task's size, which must be one that Fargate has.
func taskSize(cpu, memory *string) (units, mib int, err error) {
	if aws.ToString(cpu) == "" {
		return 0, 0, client("Fargate requires that 'cpu' be defined at the task level.")
	}
	if aws.ToString(memory) == "" {
		return 0, 0, client("Fargate requires that 'memory' be defined at the task level.")
	}
	units, ok := quantity(cpuForm, *cpu)
	if !ok {
		return 0, 0, client("Invalid 'cpu' setting for task: %s.", *cpu)
	}
	mib, ok = quantity(memoryForm, *memory)
	if !ok {
		return 0, 0, client("Invalid 'memory' setting for task: %s.", *memory)
	}
	if !fargateSize(units, mib) {
		return 0, 0, client("No Fargate configuration exists for given values: %d CPU, %d memory. See the Amazon ECS documentation for the valid values.", units, mib)
	}
	return units, mib, nil
}

// quantity reads a number, or one with a unit of 1024.
func quantity(form *regexp.Regexp, s string) (int, bool) {
	m := form.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(m[1], 64)
	if m[2] != "" {
		f *= 1024
	}
	return int(f), err == nil && f == math.Trunc(f) && f > 0 && f < 1<<30
}

func fargateSize(cpu, memory int) bool {
	if cpu == 256 {
		return memory == 512 || memory == 1024 || memory == 2048
	}
	s, ok := fargateSizes[cpu]
	return ok && memory >= s[0] && memory <= s[1] && (memory-s[0])%s[2] == 0
}

// newContainers checks the containers of a task with so many CPU units and so
// much memory in MiB.
func newContainers(in []types.ContainerDefinition, cpu int, memory int64, region string) ([]types.ContainerDefinition, error) {
	if len(in) == 0 {
		return nil, client("Container list cannot be empty.")
	}
	if len(in) > 10 {
		return nil, client("Too many containers: a task definition has at most 10.")
	}
	names, essential := map[string]bool{}, false
	var units, reserved int64
	out := slices.Clone(in)
	for i := range out {
		c := &out[i]
		if err := checkContainer(c, memory); err != nil {
			return nil, err
		}
		if err := checkLogs(*c.Name, c.LogConfiguration, region); err != nil {
			return nil, err
		}
		if names[*c.Name] {
			return nil, client("Container names must be unique within a task definition: %s.", *c.Name)
		}
		names[*c.Name] = true
		essential = essential || c.Essential == nil || *c.Essential
		units += int64(c.Cpu)
		if c.MemoryReservation != nil {
			reserved += int64(*c.MemoryReservation)
		} else if c.Memory != nil {
			reserved += int64(*c.Memory)
		}
	}
	if !essential {
		return nil, client("At least one container must be marked essential.")
	}
	if reserved > memory {
		return nil, client("The sum of the containers' memory must not exceed the task's memory of %d MiB.", memory)
	}
	if units > int64(cpu) {
		return nil, client("The sum of the containers' cpu must not exceed the task's cpu of %d units.", cpu)
	}
	if err := checkPorts(out); err != nil {
		return nil, err
	}
	for i := range out {
		complete(&out[i])
	}
	return out, nil
}

// complete fills in what ECS fills in.
func complete(c *types.ContainerDefinition) {
	if c.Essential == nil {
		c.Essential = aws.Bool(true)
	}
	c.PortMappings = slices.Clone(c.PortMappings)
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		p.HostPort = p.ContainerPort
		if p.Protocol == "" {
			p.Protocol = types.TransportProtocolTcp
		}
	}
	if c.PortMappings == nil {
		c.PortMappings = []types.PortMapping{}
	}
	if c.Environment == nil {
		c.Environment = []types.KeyValuePair{}
	}
	c.MountPoints, c.VolumesFrom, c.SystemControls = []types.MountPoint{}, []types.VolumeFrom{}, []types.SystemControl{}
}

func checkContainer(c *types.ContainerDefinition, memory int64) error {
	err := refuse(c, client, "container "+aws.ToString(c.Name), "Name", "Image", "Command", "EntryPoint", "Environment", "Cpu", "Memory", "MemoryReservation",
		"PortMappings", "Essential", "WorkingDirectory", "User", "StopTimeout", "LogConfiguration")
	if err != nil {
		return err
	}
	name := aws.ToString(c.Name)
	switch {
	case name == "":
		return client("Container.name should not be null or empty.")
	case !nameForm.MatchString(name):
		return client("Container name %s: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", name)
	case strings.TrimSpace(aws.ToString(c.Image)) == "":
		return client("Container.image should not be null or empty.")
	case len(*c.Image) > 255:
		return client("Container.image of container '%s' must have at most 255 characters.", name)
	case c.Cpu < 0:
		return client("Invalid 'cpu' setting for container '%s': it must not be negative.", name)
	case c.Memory != nil && *c.Memory < 6:
		return client("Invalid setting for container '%s'. 'memory' must be at least 6 MiB.", name)
	case c.MemoryReservation != nil && *c.MemoryReservation < 6:
		return client("Invalid setting for container '%s'. 'memoryReservation' must be at least 6 MiB.", name)
	case c.Memory != nil && c.MemoryReservation != nil && *c.Memory < *c.MemoryReservation:
		return client("Invalid setting for container '%s'. The 'memory' must be greater than or equal to 'memoryReservation'.", name)
	case c.Memory != nil && int64(*c.Memory) > memory:
		return client("Invalid setting for container '%s'. The 'memory' must not exceed the task's memory of %d MiB.", name, memory)
	case c.StopTimeout != nil && (*c.StopTimeout < 2 || *c.StopTimeout > 120):
		return client("Invalid 'stopTimeout' setting for container '%s': it must be between 2 and 120 seconds.", name)
	}
	for _, e := range c.Environment {
		if aws.ToString(e.Name) == "" || strings.ContainsAny(*e.Name, "=\x00") {
			return client("Invalid 'environment' setting for container '%s': a variable's name must not be empty or contain '='.", name)
		}
	}
	return nil
}

// checkPorts checks the ports of all containers, which share one interface.
func checkPorts(cs []types.ContainerDefinition) error {
	used := map[string]string{}
	for _, c := range cs {
		for _, p := range c.PortMappings {
			if err := refuse(&p, client, "portMappings of container "+*c.Name, "ContainerPort", "HostPort", "Protocol"); err != nil {
				return err
			}
			if p.ContainerPort == nil || *p.ContainerPort < 1 || *p.ContainerPort > 65535 {
				return client("Invalid 'containerPort' setting for container '%s': it must be between 1 and 65535.", *c.Name)
			}
			if p.HostPort != nil && *p.HostPort != *p.ContainerPort {
				return client("When networkMode=awsvpc, the host ports and container ports in port mappings must match: hostPort %d of container '%s' is not %d.", *p.HostPort, *c.Name, *p.ContainerPort)
			}
			if p.Protocol == "" {
				p.Protocol = types.TransportProtocolTcp
			}
			key := strconv.Itoa(int(*p.ContainerPort)) + "/" + string(p.Protocol)
			if other, ok := used[key]; ok {
				return client("The port %s of container '%s' is used by container '%s' already: the containers of a task share one network interface.", key, *c.Name, other)
			}
			used[key] = *c.Name
		}
	}
	return nil
}

// logOptions are the options of the awslogs driver that Skylift has.
var logOptions = []string{"awslogs-group", "awslogs-region", "awslogs-stream-prefix", "awslogs-create-group"}

func checkLogs(container string, l *types.LogConfiguration, region string) error {
	if l == nil {
		return nil
	}
	if l.LogDriver != types.LogDriverAwslogs {
		return client("Log driver '%s' of container '%s' is not supported by Skylift; use awslogs.", l.LogDriver, container)
	}
	if len(l.SecretOptions) > 0 {
		return client("The parameter 'secretOptions' of container '%s' is not supported by Skylift.", container)
	}
	for o := range l.Options {
		if !slices.Contains(logOptions, o) {
			return client("Log driver awslogs: the option '%s' of container '%s' is not supported by Skylift.", o, container)
		}
	}
	for _, o := range logOptions[:3] {
		if l.Options[o] == "" {
			return client("Log driver awslogs requires options: %s. Container '%s' has none.", o, container)
		}
	}
	if r := l.Options["awslogs-region"]; r != region {
		return client("Log driver awslogs: awslogs-region %s of container '%s' is not supported by Skylift; logs are kept in %s.", r, container, region)
	}
	if v, ok := l.Options["awslogs-create-group"]; ok && v != "true" && v != "false" {
		return client("Log driver awslogs: awslogs-create-group of container '%s' must be true or false.", container)
	}
	return nil
}
