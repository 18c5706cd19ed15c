package ecs

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// newDefinition checks what is to be registered as ECS checks a definition for
// FARGATE, and fills in what ECS fills in: everything else comes back as it was
// sent. Logs go to the region given.
func newDefinition(in *ecs.RegisterTaskDefinitionInput, region string) (*types.TaskDefinition, error) {
	if err := definitionFaults(in, region).err(client); err != nil {
		return nil, err
	}
	cpu, memory, _ := taskSize(in.Cpu, in.Memory)
	containers := slices.Clone(in.ContainerDefinitions)
	for i := range containers {
		complete(&containers[i])
	}
	return &types.TaskDefinition{
		Family:                  in.Family,
		Status:                  types.TaskDefinitionStatusActive,
		ContainerDefinitions:    containers,
		Cpu:                     aws.String(strconv.Itoa(cpu)),
		Memory:                  aws.String(strconv.Itoa(memory)),
		NetworkMode:             in.NetworkMode,
		RequiresCompatibilities: in.RequiresCompatibilities,
		Compatibilities:         compatibilities(in),
		Volumes:                 completeVolumes(in.Volumes),
		PlacementConstraints:    []types.TaskDefinitionPlacementConstraint{},
		RuntimePlatform:         in.RuntimePlatform,
		PidMode:                 in.PidMode,
		EphemeralStorage:        in.EphemeralStorage,
		EnableFaultInjection:    in.EnableFaultInjection,
	}, nil
}

// compatibilities are the launch types that the definition is valid for, as far
// as they are known here: what FARGATE takes, EC2 takes too, but for the storage.
func compatibilities(in *ecs.RegisterTaskDefinitionInput) []types.Compatibility {
	if in.EphemeralStorage != nil {
		return []types.Compatibility{types.CompatibilityFargate}
	}
	return []types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate}
}

// definitionFaults returns all that keeps a definition from being registered:
// first what is wrong with the task, then with its volumes, then with one
// container after the other, and last with what they have to do with each other.
func definitionFaults(in *ecs.RegisterTaskDefinitionInput, region string) (f faults) {
	checkTask(&f, in)
	cpu, memory, wrong := taskSize(in.Cpu, in.Memory)
	f = append(f, wrong...)
	checkVolumes(&f, in.Volumes)
	checkContainers(&f, in, cpu, int64(memory), region)
	if n := lengthOf(in); n > maxLength {
		f.add("Actual length: '%d'. Max allowed length is '%d' bytes.", n, maxLength)
	}
	return f
}

// checkTask checks what a definition says of the task as a whole.
func checkTask(f *faults, in *ecs.RegisterTaskDefinitionInput) {
	switch family := aws.ToString(in.Family); {
	case family == "":
		f.add("Family can not be blank.")
	case !nameForm.MatchString(family):
		f.add("Family contains invalid characters. (It has up to 255 letters, numbers, hyphens and underscores.)")
	}
	checkCompatibilities(f, in)
	checkPlatform(f, in.RuntimePlatform)
	if in.NetworkMode != types.NetworkModeAwsvpc {
		f.add("Fargate only supports network mode ‘awsvpc’. (Set networkMode to awsvpc.)")
	}
	if in.PidMode != "" && in.PidMode != types.PidModeTask {
		f.add("Tasks using the Fargate launch type do not support pidMode '%s'. The supported value for pidMode is 'task'.", in.PidMode)
	}
	if in.IpcMode != "" {
		f.lacks("ipcMode", "the task")
	}
	if len(in.PlacementConstraints) > 0 {
		f.add("Fargate compatible task definitions do not support constraints. (Leave placementConstraints out.)")
	}
	if len(in.InferenceAccelerators) > 0 { //nolint:staticcheck // deprecated by AWS, so refused
		f.add("Unsupported field 'inferenceAccelerators'.")
	}
	checkStorage(f, in.EphemeralStorage)
}

// checkStorage holds a task's storage to the sizes that Fargate has.
func checkStorage(f *faults, s *types.EphemeralStorage) {
	switch {
	case s != nil && s.SizeInGiB < 21:
		f.add("EphemeralStorage size should be at least 21.")
	case s != nil && s.SizeInGiB > 200:
		f.add("EphemeralStorage size should be at most 200.")
	}
}

// checkCompatibilities refuses definitions that aren't for FARGATE. That they
// are for others too is no matter: FARGATE's rules are the narrowest.
func checkCompatibilities(f *faults, in *ecs.RegisterTaskDefinitionInput) {
	all := in.RequiresCompatibilities
	if len(all) > 0 && !slices.Contains(all, types.CompatibilityFargate) {
		f.add("requiresCompatibilities %s is not supported by Skylift; use FARGATE.", all[0])
	}
	if slices.Contains(all, types.CompatibilityExternal) {
		f.add("requiresCompatibilities EXTERNAL is not supported together with networkMode awsvpc; leave it out.")
	}
	if in.EphemeralStorage != nil && slices.Contains(all, types.CompatibilityEc2) {
		f.add("Tasks using the EC2 launch type do not support EphemeralStorage. (Leave EC2 out of requiresCompatibilities, or ephemeralStorage.)")
	}
}

// checkPlatform refuses what this machine is not.
func checkPlatform(f *faults, p *types.RuntimePlatform) {
	if p == nil {
		return
	}
	if p.OperatingSystemFamily != "" && p.OperatingSystemFamily != types.OSFamilyLinux {
		f.add("operatingSystemFamily %s is not supported by Skylift; use LINUX.", p.OperatingSystemFamily)
	}
	if p.CpuArchitecture != "" && !strings.EqualFold(string(p.CpuArchitecture), architecture) {
		f.add("cpuArchitecture %s is not what this machine has; use %s.", p.CpuArchitecture, strings.ToUpper(architecture))
	}
}
