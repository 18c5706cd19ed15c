// Package deployment is the handlers of service deployments and service revisions: the history of services.
package deployment

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/wire"
)

// Deployments answers for service deployments and revisions.
type Deployments struct {
	*scope.Scope
}

// New returns the handlers.
func New(s *scope.Scope) *Deployments {
	return &Deployments{Scope: s}
}

// keys are the condition keys of an operation on what belongs to a service, which the member has ARNs of.
func keys(member string) []string {
	return []string{"ecs:cluster: " + member, "ecs:service: " + member}
}

// listed is the service whose deployments a request lists.
func (a *Deployments) listed(in *sdk.ListServiceDeploymentsInput) []string {
	ref := aws.ToString(in.Service)
	return a.ARNs("service", a.clusterOf(in.Cluster, ref), ref)
}

// listedIn is its cluster.
func (a *Deployments) listedIn(_ context.Context, in *sdk.ListServiceDeploymentsInput) []string {
	name, err := a.ClusterName(a.clusterOf(in.Cluster, aws.ToString(in.Service)))
	if err != nil {
		return nil // the handler says so
	}
	return []string{a.NS.ARN("ecs", "cluster/"+name)}
}

// Operations lists what is implemented.
func (a *Deployments) Operations() []wire.Operation {
	return []wire.Operation{
		wire.Op("ContinueServiceDeployment", a.ContinueServiceDeployment).On("service: serviceDeploymentArn", "service-deployment: serviceDeploymentArn").Keys(keys("serviceDeploymentArn")...).Takes("action hookId serviceDeploymentArn"),
		wire.Op("DescribeServiceDeployments", a.DescribeServiceDeployments).On("service: serviceDeploymentArns", "service-deployment: serviceDeploymentArns").Keys(keys("serviceDeploymentArns")...).Takes("serviceDeploymentArns"),
		wire.Op("DescribeServiceRevisions", a.DescribeServiceRevisions).On("service: serviceRevisionArns", "service-revision: serviceRevisionArns").Keys(keys("serviceRevisionArns")...).Takes("serviceRevisionArns"),
		wire.Op("ListServiceDeployments", a.ListServiceDeployments).OnThose("service", a.listed).KeyFound("ecs:cluster", a.listedIn).Takes("cluster createdAt{*} maxResults nextToken service status"),
		wire.Op("StopServiceDeployment", a.StopServiceDeployment).On("service: serviceDeploymentArn", "service-deployment: serviceDeploymentArn").Keys(keys("serviceDeploymentArn")...).Takes("serviceDeploymentArn stopType"),
	}
}
