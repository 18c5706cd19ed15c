// Package definition says which task definitions ECS takes for FARGATE, and what it fills in. It is pure.
package definition

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// New checks what is to be registered as ECS checks a definition for
// FARGATE, and fills in what ECS fills in: everything else comes back as it was
// sent. Logs go to the region given.
func New(in *sdk.RegisterTaskDefinitionInput, region string) (*types.TaskDefinition, error) {
	if err := Faults(in, region).Err(ecs.Client); err != nil {
		return nil, err
	}
	cpu, memory, _ := taskSize(in.Cpu, in.Memory)
	containers := slices.Clone(in.ContainerDefinitions)
	for i := range containers {
		complete(&containers[i])
	}
	return &types.TaskDefinition{
		Family:                  in.Family,
		TaskRoleArn:             in.TaskRoleArn,
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
		ExecutionRoleArn:        in.ExecutionRoleArn,
	}, nil
}

// compatibilities are the launch types that the definition is valid for, as far
// as they are known here: what FARGATE takes, EC2 takes too, but for the storage.
func compatibilities(in *sdk.RegisterTaskDefinitionInput) []types.Compatibility {
	if in.EphemeralStorage != nil {
		return []types.Compatibility{types.CompatibilityFargate}
	}
	return []types.Compatibility{types.CompatibilityEc2, types.CompatibilityFargate}
}

// Faults returns all that keeps a definition from being registered:
// first what is wrong with the task, then with its volumes, then with one
// container after the other, and last with what they have to do with each other.
func Faults(in *sdk.RegisterTaskDefinitionInput, region string) (f ecs.Faults) {
	checkTask(&f, in)
	cpu, memory, wrong := taskSize(in.Cpu, in.Memory)
	f = append(f, wrong...)
	checkVolumes(&f, in.Volumes, aws.ToString(in.TaskRoleArn))
	checkContainers(&f, in, cpu, int64(memory), region)
	if n := lengthOf(in); n > maxLength {
		f.Add("Actual length: '%d'. Max allowed length is '%d' bytes.", n, maxLength)
	}
	return f
}

// checkTask checks what a definition says of the task as a whole.
func checkTask(f *ecs.Faults, in *sdk.RegisterTaskDefinitionInput) {
	switch family := aws.ToString(in.Family); {
	case family == "":
		f.Add("Family can not be blank.")
	case !ecs.ValidName(family):
		f.Add("Family contains invalid characters. (It has up to 255 letters, numbers, hyphens and underscores.)")
	}
	checkRole(f, "taskRoleArn", in.TaskRoleArn)
	checkCompatibilities(f, in)
	checkPlatform(f, in.RuntimePlatform)
	if in.NetworkMode != types.NetworkModeAwsvpc {
		f.Add("Fargate only supports network mode ‘awsvpc’. (Set networkMode to awsvpc.)")
	}
	if in.PidMode != "" && in.PidMode != types.PidModeTask {
		f.Add("Tasks using the Fargate launch type do not support pidMode '%s'. The supported value for pidMode is 'task'.", in.PidMode)
	}
	if in.IpcMode != "" {
		lacks(f, "ipcMode", "the task")
	}
	if len(in.PlacementConstraints) > 0 {
		f.Add("Fargate compatible task definitions do not support constraints. (Leave placementConstraints out.)")
	}
	if len(in.InferenceAccelerators) > 0 { //nolint:staticcheck // deprecated by AWS, so refused
		f.Add("Unsupported field 'inferenceAccelerators'.")
	}
	checkStorage(f, in.EphemeralStorage)
	checkInputs(f, in)
}

// checkStorage holds a task's storage to the sizes that Fargate has.
func checkStorage(f *ecs.Faults, s *types.EphemeralStorage) {
	switch {
	case s != nil && s.SizeInGiB < 21:
		f.Add("EphemeralStorage size should be at least 21.")
	case s != nil && s.SizeInGiB > 200:
		f.Add("EphemeralStorage size should be at most 200.")
	}
}

// checkCompatibilities refuses definitions that aren't for FARGATE. That they
// are for others too is no matter: FARGATE's rules are the narrowest.
func checkCompatibilities(f *ecs.Faults, in *sdk.RegisterTaskDefinitionInput) {
	all := in.RequiresCompatibilities
	if len(all) > 0 && !slices.Contains(all, types.CompatibilityFargate) {
		f.Add("requiresCompatibilities %s is not supported by Skylift; use FARGATE.", all[0])
	}
	if slices.Contains(all, types.CompatibilityExternal) {
		f.Add("requiresCompatibilities EXTERNAL is not supported together with networkMode awsvpc; leave it out.")
	}
	if in.EphemeralStorage != nil && slices.Contains(all, types.CompatibilityEc2) {
		f.Add("Tasks using the EC2 launch type do not support EphemeralStorage. (Leave EC2 out of requiresCompatibilities, or ephemeralStorage.)")
	}
}

// checkPlatform refuses what this machine is not.
func checkPlatform(f *ecs.Faults, p *types.RuntimePlatform) {
	if p == nil {
		return
	}
	if p.OperatingSystemFamily != "" && p.OperatingSystemFamily != types.OSFamilyLinux {
		f.Add("operatingSystemFamily %s is not supported by Skylift; use LINUX.", p.OperatingSystemFamily)
	}
	if p.CpuArchitecture != "" && !strings.EqualFold(string(p.CpuArchitecture), ecs.Architecture) {
		f.Add("cpuArchitecture %s is not what this machine has; use %s.", p.CpuArchitecture, strings.ToUpper(ecs.Architecture))
	}
}

// setting notes that a container's setting is wrong, and how it has to be.
func setting(f *ecs.Faults, setting, container, format string, args ...any) {
	f.Add("Invalid '%s' setting for container '%s': %s.", setting, container, fmt.Sprintf(format, args...))
}

// foreign notes a parameter of a container that FARGATE tasks can't have, in
// ECS's words, which name neither the container nor the parameter.
func foreign(f *ecs.Faults, parameter, container, words string) {
	f.Add("%s (Leave %s of container '%s' out.)", words, parameter, container)
}

// lacks notes a parameter that only the other launch types have.
func lacks(f *ecs.Faults, parameter, of string) {
	f.Add("Fargate compatible task definitions do not support %s. (Leave %s of %s out.)", parameter, parameter, of)
}
