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
	if err := checkTask(in); err != nil {
		return nil, err
	}
	cpu, memory, err := taskSize(in.Cpu, in.Memory)
	if err != nil {
		return nil, err
	}
	if err := checkVolumes(in.Volumes); err != nil {
		return nil, err
	}
	if err := checkContainers(in, cpu, int64(memory), region); err != nil {
		return nil, err
	}
	if err := checkLength(in); err != nil {
		return nil, err
	}
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

// checkTask checks what a definition says of the task as a whole.
func checkTask(in *ecs.RegisterTaskDefinitionInput) error {
	switch family := aws.ToString(in.Family); {
	case family == "":
		return client("Family can not be blank.")
	case !nameForm.MatchString(family):
		return client("Family contains invalid characters.")
	}
	if err := checkCompatibilities(in); err != nil {
		return err
	}
	if err := checkPlatform(in.RuntimePlatform); err != nil {
		return err
	}
	switch {
	case in.NetworkMode != types.NetworkModeAwsvpc:
		return client("Fargate only supports network mode ‘awsvpc’.")
	case in.PidMode != "" && in.PidMode != types.PidModeTask:
		return client("Tasks using the Fargate launch type do not support pidMode '%s'. The supported value for pidMode is 'task'.", in.PidMode)
	case in.IpcMode != "":
		return fargateLacks("ipcMode")
	case len(in.PlacementConstraints) > 0:
		return fargateLacks("constraints")
	case len(in.InferenceAccelerators) > 0: //nolint:staticcheck // deprecated by AWS, so refused
		return client("Unsupported field 'inferenceAccelerators'.")
	}
	return checkStorage(in.EphemeralStorage)
}

// checkStorage holds a task's storage to the sizes that Fargate has.
func checkStorage(s *types.EphemeralStorage) error {
	switch {
	case s != nil && s.SizeInGiB < 21:
		return client("EphemeralStorage size should be at least 21.")
	case s != nil && s.SizeInGiB > 200:
		return client("EphemeralStorage size should be at most 200.")
	}
	return nil
}

// fargateLacks refuses a parameter that only the other launch types have.
func fargateLacks(parameter string) error {
	return client("Fargate compatible task definitions do not support %s.", parameter)
}

// checkCompatibilities refuses definitions that aren't for FARGATE. That they
// are for others too is no matter: FARGATE's rules are the narrowest.
func checkCompatibilities(in *ecs.RegisterTaskDefinitionInput) error {
	all := in.RequiresCompatibilities
	if len(all) > 0 && !slices.Contains(all, types.CompatibilityFargate) {
		return client("requiresCompatibilities %s is not supported by Skylift; use FARGATE.", all[0])
	}
	if slices.Contains(all, types.CompatibilityExternal) {
		return client("requiresCompatibilities EXTERNAL is not supported together with networkMode awsvpc; leave it out.")
	}
	if in.EphemeralStorage != nil && slices.Contains(all, types.CompatibilityEc2) {
		return client("Tasks using the EC2 launch type do not support EphemeralStorage.")
	}
	return nil
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
