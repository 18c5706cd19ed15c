package daemon

import (
	"testing"

	sdkecs "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// TestPassRole: who registers a definition with a role, or runs a task of it, must be allowed to hand the role to ECS.
func TestPassRole(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	role := f.role("worker", `{"Service":"ecs-tasks.amazonaws.com"}`, `"sts:AssumeRole"`, allow(lists))
	passing := func(role, service string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecs:*","Resource":"*"},{"Effect":"Allow","Action":"iam:PassRole","Resource":"` + role +
			`","Condition":{"StringEquals":{"iam:PassedToService":"` + service + `"}}}]}`
	}
	may := f.user("may", passing(role, "ecs-tasks.amazonaws.com"))
	elsewhere := f.user("elsewhere", passing(role, "ec2.amazonaws.com"))
	const no = "AccessDeniedException: User: arn:aws:iam::123456789012:user/elsewhere is not authorized to perform: iam:PassRole on resource: "
	register := func(as *sdkecs.Client) error {
		_, err := as.RegisterTaskDefinition(t.Context(), &sdkecs.RegisterTaskDefinitionInput{
			Family: new("worker"), Cpu: new("256"), Memory: new("512"), NetworkMode: ecstypes.NetworkModeAwsvpc, TaskRoleArn: &role,
			ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: new("web"), Image: new("web")}},
		})
		return err
	}
	f.want("a definition", heard(register(sdkecs.NewFromConfig(elsewhere))), no+role+" because no identity-based policy allows the iam:PassRole action")
	f.want("a definition, by who may", heard(register(sdkecs.NewFromConfig(may))), "")
	run := &sdkecs.RunTaskInput{TaskDefinition: new("worker"), NetworkConfiguration: &ecstypes.NetworkConfiguration{AwsvpcConfiguration: &ecstypes.AwsVpcConfiguration{Subnets: []string{"subnet-1"}}}}
	_, err := sdkecs.NewFromConfig(elsewhere).RunTask(t.Context(), run)
	f.want("a task", heard(err), no+role+" because…")
	start := &sdkecs.StartTaskInput{TaskDefinition: new("worker"), ContainerInstances: []string{"x"}}
	_, err = sdkecs.NewFromConfig(elsewhere).StartTask(t.Context(), start)
	f.want("a task on an instance", heard(err), no+role+" because…")
	serve := &sdkecs.CreateServiceInput{
		ServiceName: new("web"), TaskDefinition: new("worker"), DesiredCount: new(int32(1)), NetworkConfiguration: run.NetworkConfiguration,
		DeploymentConfiguration: &ecstypes.DeploymentConfiguration{Strategy: ecstypes.DeploymentStrategyBlueGreen},
		LoadBalancers: []ecstypes.LoadBalancer{{
			TargetGroupArn: new("arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/a/1"), ContainerName: new("web"), ContainerPort: new(int32(80)),
			AdvancedConfiguration: &ecstypes.AdvancedConfiguration{RoleArn: &role, AlternateTargetGroupArn: new("b"), ProductionListenerRule: new("r")},
		}},
	}
	_, err = sdkecs.NewFromConfig(elsewhere).CreateService(t.Context(), serve)
	f.want("the role of a balancer", heard(err), no+role+" because…")
	_, err = sdkecs.NewFromConfig(may).CreateService(t.Context(), serve)
	f.want("passed to another service", heard(err), "AccessDeniedException: User: arn:aws:iam::123456789012:user/may is not authorized to perform: iam:PassRole on resource: "+role+" because…")
	run.Overrides = &ecstypes.TaskOverride{TaskRoleArn: new("arn:aws:iam::123456789012:role/other")}
	_, err = sdkecs.NewFromConfig(may).RunTask(t.Context(), run)
	f.want("a role over the definition's", heard(err), "AccessDeniedException: User: arn:aws:iam::123456789012:user/may is not authorized to perform: iam:PassRole on resource: arn:aws:iam::123456789012:role/other because…")
}
