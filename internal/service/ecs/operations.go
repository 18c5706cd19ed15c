package ecs

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/wire"
)

// What several operations take, and what is long.
const (
	awsvpc     = "networkConfiguration{awsvpcConfiguration{subnets securityGroups assignPublicIp}}"
	deployment = "deploymentConfiguration{minimumHealthyPercent maximumPercent deploymentCircuitBreaker{enable rollback} strategy " +
		"bakeTimeInMinutes linearConfiguration{*} canaryConfiguration{*} lifecycleHooks{*}}"
	ofService = "capacityProviderStrategy{*} placementConstraints{*} placementStrategy{*} platformVersion healthCheckGracePeriodSeconds " +
		"loadBalancers{targetGroupArn containerName containerPort advancedConfiguration{*}} deploymentController{type} " +
		"propagateTags enableECSManagedTags availabilityZoneRebalancing " + awsvpc + " " + deployment
	ofLaunch = "cluster taskDefinition group startedBy tags{*} propagateTags enableECSManagedTags " + awsvpc + " " +
		"overrides{containerOverrides{name command environment{*} cpu memory memoryReservation} cpu memory ephemeralStorage{*}}"
	ofTask = "family cpu memory networkMode requiresCompatibilities tags{*} runtimePlatform{*} pidMode ipcMode ephemeralStorage{*} " +
		"placementConstraints{*} inferenceAccelerators{*}"
	ofVolume = "name host{*} dockerVolumeConfiguration{*} " +
		"efsVolumeConfiguration{fileSystemId rootDirectory transitEncryption transitEncryptionPort authorizationConfig{accessPointId iam}}"
	ofContainer = "name image command entryPoint environment{*} cpu memory memoryReservation portMappings{*} essential workingDirectory " +
		"user startTimeout stopTimeout logConfiguration{logDriver options} dependsOn{*} healthCheck{*} restartPolicy{*} ulimits{*} " +
		"linuxParameters{*} readonlyRootFilesystem dockerLabels interactive pseudoTerminal systemControls{*} mountPoints{*} volumesFrom{*} " +
		"versionConsistency links hostname dnsServers dnsSearchDomains extraHosts{*} disableNetworking privileged dockerSecurityOptions " +
		"resourceRequirements{*}"
)

// Operations lists what is implemented.
func (a *API) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ContinueServiceDeployment", a.ContinueServiceDeployment).On("service: serviceDeploymentArn", "service-deployment: serviceDeploymentArn").Takes("action hookId serviceDeploymentArn"),
		wire.Op("CreateCapacityProvider", a.CreateCapacityProvider).On("capacity-provider: name").Takes("name cluster tags{*}"),
		wire.Op("CreateCluster", a.CreateCluster).On("cluster: clusterName=default").
			Takes("clusterName settings{name} tags{*} capacityProviders defaultCapacityProviderStrategy{*}").
			Keeps(insightsSetting, noInsights).Keeps(execConfiguration, noExec),
		wire.Op("CreateService", a.CreateService).On("service: cluster=default serviceName").
			Takes("cluster serviceName taskDefinition desiredCount launchType schedulingStrategy clientToken tags{*}", ofService).
			Keeps("enableExecuteCommand", noExec).
			Checks(func(in *ecs.CreateServiceInput) []error { return createFaults(in).each(invalid) }),
		wire.Op("DeleteAccountSetting", a.DeleteAccountSetting).Takes("name principalArn"),
		wire.Op("DeleteAttributes", a.DeleteAttributes).On("container-instance: cluster=default attributes.targetId").Takes("cluster attributes{*}"),
		wire.Op("DeleteCapacityProvider", a.DeleteCapacityProvider).On("capacity-provider: capacityProvider").Takes("capacityProvider"),
		wire.Op("DeleteCluster", a.DeleteCluster).On("cluster: cluster").Takes("cluster"),
		wire.Op("DeleteService", a.DeleteService).On("service: cluster=default service").Takes("cluster force service"),
		wire.Op("DeleteTaskDefinitions", a.DeleteTaskDefinitions).On("task-definition: taskDefinitions").Takes("taskDefinitions"),
		wire.Op("DeregisterContainerInstance", a.DeregisterContainerInstance).On("cluster: cluster=default").Takes("cluster containerInstance force"),
		wire.Op("DeregisterTaskDefinition", a.DeregisterTaskDefinition).Takes("taskDefinition"),
		wire.Op("DescribeCapacityProviders", a.DescribeCapacityProviders).On("capacity-provider: capacityProviders").Takes("capacityProviders cluster include maxResults nextToken"),
		wire.Op("DescribeClusters", a.DescribeClusters).On("cluster: clusters=default").Takes("clusters include"),
		wire.Op("DescribeContainerInstances", a.DescribeContainerInstances).On("container-instance: cluster=default containerInstances").Takes("cluster containerInstances include"),
		wire.Op("DescribeServiceDeployments", a.DescribeServiceDeployments).On("service: serviceDeploymentArns", "service-deployment: serviceDeploymentArns").Takes("serviceDeploymentArns"),
		wire.Op("DescribeServiceRevisions", a.DescribeServiceRevisions).On("service: serviceRevisionArns", "service-revision: serviceRevisionArns").Takes("serviceRevisionArns"),
		wire.Op("DescribeServices", a.DescribeServices).On("service: cluster=default services").Takes("cluster include services"),
		wire.Op("DescribeTaskDefinition", a.DescribeTaskDefinition).Takes("include taskDefinition"),
		wire.Op("DescribeTasks", a.DescribeTasks).On("task: cluster=default tasks").Takes("cluster include tasks"),
		wire.Op("GetTaskProtection", a.GetTaskProtection).On("task: cluster=default tasks").Takes("cluster tasks"),
		wire.Op("ListAccountSettings", a.ListAccountSettings).Takes("effectiveSettings maxResults name nextToken principalArn value"),
		wire.Op("ListAttributes", a.ListAttributes).On("cluster: cluster=default").Takes("attributeName attributeValue cluster maxResults nextToken targetType"),
		wire.Op("ListClusters", a.ListClusters).Takes("maxResults nextToken"),
		wire.Op("ListContainerInstances", a.ListContainerInstances).On("cluster: cluster=default").Takes("cluster maxResults nextToken status"),
		wire.Op("ListServiceDeployments", a.ListServiceDeployments).On("service: cluster=default service").Takes("cluster createdAt{*} maxResults nextToken service status"),
		wire.Op("ListServices", a.ListServices).Takes("cluster launchType maxResults nextToken schedulingStrategy"),
		wire.Op("ListServicesByNamespace", a.ListServicesByNamespace).Takes("maxResults namespace nextToken"),
		wire.Op("ListTagsForResource", a.ListTagsForResource).On("*: resourceArn").Takes("resourceArn"),
		wire.Op("ListTaskDefinitionFamilies", a.ListTaskDefinitionFamilies).Takes("familyPrefix maxResults nextToken status"),
		wire.Op("ListTaskDefinitions", a.ListTaskDefinitions).Takes("familyPrefix maxResults nextToken sort status"),
		wire.Op("ListTasks", a.ListTasks).On("container-instance: cluster=default containerInstance").
			Takes("cluster containerInstance desiredStatus family launchType maxResults nextToken serviceName startedBy"),
		wire.Op("PutAccountSetting", a.PutAccountSetting).Takes("name principalArn value").KeepsKeys("value", keptSettings()),
		wire.Op("PutAccountSettingDefault", a.PutAccountSettingDefault).Takes("name value").KeepsKeys("value", keptSettings()),
		wire.Op("PutAttributes", a.PutAttributes).On("container-instance: cluster=default attributes.targetId").Takes("cluster attributes{*}"),
		wire.Op("PutClusterCapacityProviders", a.PutClusterCapacityProviders).On("cluster: cluster").Takes("capacityProviders cluster defaultCapacityProviderStrategy{*}"),
		wire.Op("RegisterTaskDefinition", a.RegisterTaskDefinition).On("task-definition: family").Refuses("ClientException").
			Takes(ofTask, "containerDefinitions{"+ofContainer+"}", "volumes{"+ofVolume+"}").
			Keeps("enableFaultInjection", noFaults).
			ChecksIncomplete(func(in *ecs.RegisterTaskDefinitionInput) []error {
				return definitionFaults(in, a.ns.Region).each(client)
			}),
		wire.Op("RunTask", a.RunTask).On("task-definition: taskDefinition").
			Takes("count clientToken launchType platformVersion capacityProviderStrategy{*} placementConstraints{*} placementStrategy{*}", ofLaunch).
			Keeps("enableExecuteCommand", noExec).
			Checks(func(in *ecs.RunTaskInput) []error { return runFaults(in).each(invalid) }),
		wire.Op("StartTask", a.StartTask).On("task-definition: taskDefinition").Takes("containerInstances", ofLaunch).Keeps("enableExecuteCommand", noExec),
		wire.Op("StopServiceDeployment", a.StopServiceDeployment).On("service: serviceDeploymentArn", "service-deployment: serviceDeploymentArn").Takes("serviceDeploymentArn stopType"),
		wire.Op("StopTask", a.StopTask).On("task: cluster=default task").Takes("cluster reason task"),
		wire.Op("TagResource", a.TagResource).On("*: resourceArn").Takes("resourceArn tags{*}"),
		wire.Op("UntagResource", a.UntagResource).On("*: resourceArn").Takes("resourceArn tagKeys"),
		wire.Op("UpdateCapacityProvider", a.UpdateCapacityProvider).On("capacity-provider: name").Takes("name cluster"),
		wire.Op("UpdateCluster", a.UpdateCluster).On("cluster: cluster").Takes("cluster settings{name}").
			Keeps(insightsSetting, noInsights).Keeps(execConfiguration, noExec),
		wire.Op("UpdateClusterSettings", a.UpdateClusterSettings).On("cluster: cluster").Takes("cluster settings{name}").Keeps(insightsSetting, noInsights),
		wire.Op("UpdateContainerAgent", a.UpdateContainerAgent).On("container-instance: cluster=default containerInstance").Takes("cluster containerInstance"),
		wire.Op("UpdateContainerInstancesState", a.UpdateContainerInstancesState).On("container-instance: cluster=default containerInstances").Takes("cluster containerInstances status"),
		wire.Op("UpdateService", a.UpdateService).On("service: cluster=default service").
			Takes("cluster service desiredCount taskDefinition forceNewDeployment", ofService).
			Keeps("enableExecuteCommand", noExec).
			Checks(func(in *ecs.UpdateServiceInput) []error { return updateFaults(in).each(invalid) }),
		wire.Op("UpdateTaskProtection", a.UpdateTaskProtection).On("task: cluster=default tasks").Takes("cluster expiresInMinutes protectionEnabled tasks"),
	}
}
