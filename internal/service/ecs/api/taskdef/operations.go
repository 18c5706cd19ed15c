// Package taskdef is the handlers of task definitions. Package definition says what is right.
package taskdef

import (
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/definition"
	"github.com/skylift/skylift/internal/wire"
)

// Definitions answers for task definitions.
type Definitions struct {
	*scope.Scope
}

// New returns the handlers.
func New(s *scope.Scope) *Definitions {
	return &Definitions{Scope: s}
}

// What operations take, where it is long or several take it.
const (
	ofTask = "family executionRoleArn taskRoleArn cpu memory networkMode requiresCompatibilities tags{*} runtimePlatform{*} pidMode ipcMode ephemeralStorage{*} " +
		"placementConstraints{*} inferenceAccelerators{*}"
	ofVolume = "name host{*} dockerVolumeConfiguration{*} " +
		"efsVolumeConfiguration{fileSystemId rootDirectory transitEncryption transitEncryptionPort authorizationConfig{accessPointId iam}}"
	ofContainer = "name image command entryPoint environment{*} cpu memory memoryReservation portMappings{*} essential workingDirectory " +
		"user startTimeout stopTimeout logConfiguration{logDriver options} dependsOn{*} healthCheck{*} restartPolicy{*} ulimits{*} " +
		"linuxParameters{*} readonlyRootFilesystem dockerLabels interactive pseudoTerminal systemControls{*} mountPoints{*} volumesFrom{*} " +
		"versionConsistency links hostname dnsServers dnsSearchDomains extraHosts{*} disableNetworking privileged dockerSecurityOptions " +
		"resourceRequirements{*} secrets{*} repositoryCredentials{*} environmentFiles{*}"
)

// Operations lists what is implemented.
func (a *Definitions) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("DeleteTaskDefinitions", a.DeleteTaskDefinitions).On("task-definition: taskDefinitions").Takes("taskDefinitions"),
		wire.Op("DeregisterTaskDefinition", a.DeregisterTaskDefinition).Takes("taskDefinition"),
		wire.Op("DescribeTaskDefinition", a.DescribeTaskDefinition).Takes("include taskDefinition"),
		wire.Op("ListTaskDefinitionFamilies", a.ListTaskDefinitionFamilies).Takes("familyPrefix maxResults nextToken status"),
		wire.Op("ListTaskDefinitions", a.ListTaskDefinitions).Takes("familyPrefix maxResults nextToken sort status"),
		keys(wire.Op("RegisterTaskDefinition", a.RegisterTaskDefinition)).Makes("task-definition: family").PassesFound(scope.TasksPrincipal, a.roles).Refuses("ClientException").
			Takes(ofTask, "containerDefinitions{"+ofContainer+"}", "volumes{"+ofVolume+"}").
			Keeps("enableFaultInjection", scope.NoFaults).
			ChecksIncomplete(func(in *sdk.RegisterTaskDefinitionInput) []error {
				return definition.Faults(in, a.NS.Region).Each(ecs.Client)
			}),
	}
}
