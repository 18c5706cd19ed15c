package wire

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elbv2 "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// sdkOp is an operation of ours together with the SDK client's method for it.
type sdkOp struct {
	Operation
	call func(ctx context.Context, in any) (any, error)
}

// call makes an operation whose handler must not run, out of the SDK client's method.
func call[I, O, F any](name string, method func(context.Context, *I, ...func(*F)) (*O, error)) sdkOp {
	return sdkOp{
		Operation: Op(name, func(context.Context, *I) (*O, error) { panic("not to be called") }).Takes("*"),
		call: func(ctx context.Context, in any) (any, error) {
			return method(ctx, in.(*I))
		},
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sdkConfig makes SDK clients ask f.
func sdkConfig(f roundTripper) aws.Config {
	return aws.Config{
		Region: "us-west-2",
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
		HTTPClient: &http.Client{Transport: f},
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
	}
}

// modules is the SDK's module of each service.
var modules = map[string]string{
	"ec2":                  "ec2",
	"ecr":                  "ecr",
	"ecs":                  "ecs",
	"elasticloadbalancing": "elasticloadbalancingv2",
	"logs":                 "cloudwatchlogs",
	"monitoring":           "cloudwatch",
	"sqs":                  "sqs",
	"sts":                  "sts",
}

// operations returns all operations that have a descriptor, of every service, bound to clients that ask f.
func operations(f roundTripper) map[string][]sdkOp {
	cfg := sdkConfig(f)
	return map[string][]sdkOp{
		"ec2":                  ec2Ops(cfg),
		"ecr":                  ecrOps(cfg),
		"ecs":                  ecsOps(cfg),
		"elasticloadbalancing": elbv2Ops(cfg),
		"logs":                 cloudwatchlogsOps(cfg),
		"sts":                  stsOps(cfg),
	}
}

func ec2Ops(cfg aws.Config) []sdkOp {
	c := ec2.NewFromConfig(cfg)
	return []sdkOp{
		call("AuthorizeSecurityGroupEgress", c.AuthorizeSecurityGroupEgress),
		call("AuthorizeSecurityGroupIngress", c.AuthorizeSecurityGroupIngress),
		call("CreateSecurityGroup", c.CreateSecurityGroup),
		call("CreateTags", c.CreateTags),
		call("DeleteSecurityGroup", c.DeleteSecurityGroup),
		call("DeleteTags", c.DeleteTags),
		call("DescribeAvailabilityZones", c.DescribeAvailabilityZones),
		call("DescribeInternetGateways", c.DescribeInternetGateways),
		call("DescribeNetworkInterfaces", c.DescribeNetworkInterfaces),
		call("DescribeRegions", c.DescribeRegions),
		call("DescribeRouteTables", c.DescribeRouteTables),
		call("DescribeSecurityGroupRules", c.DescribeSecurityGroupRules),
		call("DescribeSecurityGroups", c.DescribeSecurityGroups),
		call("DescribeSubnets", c.DescribeSubnets),
		call("DescribeTags", c.DescribeTags),
		call("DescribeVpcAttribute", c.DescribeVpcAttribute),
		call("DescribeVpcs", c.DescribeVpcs),
		call("ModifySecurityGroupRules", c.ModifySecurityGroupRules),
		call("ModifyVpcAttribute", c.ModifyVpcAttribute),
		call("RevokeSecurityGroupEgress", c.RevokeSecurityGroupEgress),
		call("RevokeSecurityGroupIngress", c.RevokeSecurityGroupIngress),
		call("UpdateSecurityGroupRuleDescriptionsEgress", c.UpdateSecurityGroupRuleDescriptionsEgress),
		call("UpdateSecurityGroupRuleDescriptionsIngress", c.UpdateSecurityGroupRuleDescriptionsIngress),
	}
}

func ecrOps(cfg aws.Config) []sdkOp {
	c := ecr.NewFromConfig(cfg)
	return []sdkOp{
		call("BatchDeleteImage", c.BatchDeleteImage),
		call("BatchGetImage", c.BatchGetImage),
		call("CreateRepository", c.CreateRepository),
		call("DeleteRepository", c.DeleteRepository),
		call("DescribeImages", c.DescribeImages),
		call("DescribeRepositories", c.DescribeRepositories),
		call("GetAuthorizationToken", c.GetAuthorizationToken),
		call("ListImages", c.ListImages),
		call("ListTagsForResource", c.ListTagsForResource),
		call("PutImageScanningConfiguration", c.PutImageScanningConfiguration),
		call("PutImageTagMutability", c.PutImageTagMutability),
		call("TagResource", c.TagResource),
		call("UntagResource", c.UntagResource),
	}
}

func ecsOps(cfg aws.Config) []sdkOp {
	c := ecs.NewFromConfig(cfg)
	return []sdkOp{
		call("ContinueServiceDeployment", c.ContinueServiceDeployment),
		call("CreateCapacityProvider", c.CreateCapacityProvider),
		call("CreateCluster", c.CreateCluster),
		call("CreateService", c.CreateService),
		call("DeleteAccountSetting", c.DeleteAccountSetting),
		call("DeleteAttributes", c.DeleteAttributes),
		call("DeleteCapacityProvider", c.DeleteCapacityProvider),
		call("DeleteCluster", c.DeleteCluster),
		call("DeleteService", c.DeleteService),
		call("DeleteTaskDefinitions", c.DeleteTaskDefinitions),
		call("DeregisterContainerInstance", c.DeregisterContainerInstance),
		call("DeregisterTaskDefinition", c.DeregisterTaskDefinition),
		call("DescribeCapacityProviders", c.DescribeCapacityProviders),
		call("DescribeClusters", c.DescribeClusters),
		call("DescribeContainerInstances", c.DescribeContainerInstances),
		call("DescribeServiceDeployments", c.DescribeServiceDeployments),
		call("DescribeServiceRevisions", c.DescribeServiceRevisions),
		call("DescribeServices", c.DescribeServices),
		call("DescribeTaskDefinition", c.DescribeTaskDefinition),
		call("DescribeTasks", c.DescribeTasks),
		call("GetTaskProtection", c.GetTaskProtection),
		call("ListAccountSettings", c.ListAccountSettings),
		call("ListAttributes", c.ListAttributes),
		call("ListClusters", c.ListClusters),
		call("ListContainerInstances", c.ListContainerInstances),
		call("ListServiceDeployments", c.ListServiceDeployments),
		call("ListServices", c.ListServices),
		call("ListServicesByNamespace", c.ListServicesByNamespace),
		call("ListTagsForResource", c.ListTagsForResource),
		call("ListTaskDefinitionFamilies", c.ListTaskDefinitionFamilies),
		call("ListTaskDefinitions", c.ListTaskDefinitions),
		call("ListTasks", c.ListTasks),
		call("PutAccountSetting", c.PutAccountSetting),
		call("PutAccountSettingDefault", c.PutAccountSettingDefault),
		call("PutAttributes", c.PutAttributes),
		call("PutClusterCapacityProviders", c.PutClusterCapacityProviders),
		call("RegisterTaskDefinition", c.RegisterTaskDefinition),
		call("RunTask", c.RunTask),
		call("StartTask", c.StartTask),
		call("StopServiceDeployment", c.StopServiceDeployment),
		call("StopTask", c.StopTask),
		call("TagResource", c.TagResource),
		call("UntagResource", c.UntagResource),
		call("UpdateCapacityProvider", c.UpdateCapacityProvider),
		call("UpdateCluster", c.UpdateCluster),
		call("UpdateClusterSettings", c.UpdateClusterSettings),
		call("UpdateContainerAgent", c.UpdateContainerAgent),
		call("UpdateContainerInstancesState", c.UpdateContainerInstancesState),
		call("UpdateService", c.UpdateService),
		call("UpdateTaskProtection", c.UpdateTaskProtection),
	}
}

func elbv2Ops(cfg aws.Config) []sdkOp {
	c := elbv2.NewFromConfig(cfg)
	return []sdkOp{
		call("AddTags", c.AddTags),
		call("CreateListener", c.CreateListener),
		call("CreateLoadBalancer", c.CreateLoadBalancer),
		call("CreateRule", c.CreateRule),
		call("CreateTargetGroup", c.CreateTargetGroup),
		call("DeleteListener", c.DeleteListener),
		call("DeleteLoadBalancer", c.DeleteLoadBalancer),
		call("DeleteRule", c.DeleteRule),
		call("DeleteTargetGroup", c.DeleteTargetGroup),
		call("DeregisterTargets", c.DeregisterTargets),
		call("DescribeListenerAttributes", c.DescribeListenerAttributes),
		call("DescribeListeners", c.DescribeListeners),
		call("DescribeLoadBalancerAttributes", c.DescribeLoadBalancerAttributes),
		call("DescribeLoadBalancers", c.DescribeLoadBalancers),
		call("DescribeRules", c.DescribeRules),
		call("DescribeTags", c.DescribeTags),
		call("DescribeTargetGroupAttributes", c.DescribeTargetGroupAttributes),
		call("DescribeTargetGroups", c.DescribeTargetGroups),
		call("DescribeTargetHealth", c.DescribeTargetHealth),
		call("ModifyListener", c.ModifyListener),
		call("ModifyLoadBalancerAttributes", c.ModifyLoadBalancerAttributes),
		call("ModifyRule", c.ModifyRule),
		call("ModifyTargetGroup", c.ModifyTargetGroup),
		call("ModifyTargetGroupAttributes", c.ModifyTargetGroupAttributes),
		call("RegisterTargets", c.RegisterTargets),
		call("RemoveTags", c.RemoveTags),
		call("SetRulePriorities", c.SetRulePriorities),
		call("SetSecurityGroups", c.SetSecurityGroups),
		call("SetSubnets", c.SetSubnets),
	}
}

func cloudwatchlogsOps(cfg aws.Config) []sdkOp {
	c := cloudwatchlogs.NewFromConfig(cfg)
	return []sdkOp{
		call("CreateLogGroup", c.CreateLogGroup),
		call("CreateLogStream", c.CreateLogStream),
		call("DeleteLogGroup", c.DeleteLogGroup),
		call("DeleteLogStream", c.DeleteLogStream),
		call("DeleteRetentionPolicy", c.DeleteRetentionPolicy),
		call("DescribeLogGroups", c.DescribeLogGroups),
		call("DescribeLogStreams", c.DescribeLogStreams),
		call("FilterLogEvents", c.FilterLogEvents),
		call("GetLogEvents", c.GetLogEvents),
		call("ListTagsForResource", c.ListTagsForResource),
		call("PutLogEvents", c.PutLogEvents),
		call("PutRetentionPolicy", c.PutRetentionPolicy),
		call("TagResource", c.TagResource),
		call("UntagResource", c.UntagResource),
	}
}

func stsOps(cfg aws.Config) []sdkOp {
	c := sts.NewFromConfig(cfg)
	return []sdkOp{
		call("GetCallerIdentity", c.GetCallerIdentity),
	}
}

// service makes the service of those operations.
func service(t testing.TB, name string, ops []sdkOp) *Service {
	t.Helper()
	var list []Operation
	for _, o := range ops {
		list = append(list, o.Operation)
	}
	s, err := NewService(name, list...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
