package ecs

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// change is what of an UpdateService had to be looked up before its
// transaction.
type change struct {
	net       *Network
	balancers []LoadBalancer // nil: as they were
	platform  string         // "": as it was
	at        time.Time
	id        string
}

func (a *API) readChange(ctx context.Context, in *ecs.UpdateServiceInput) (change, error) {
	c := change{at: now(), id: deploymentID()}
	if in.NetworkConfiguration != nil && in.NetworkConfiguration.AwsvpcConfiguration != nil {
		net, err := a.placement(ctx, in.NetworkConfiguration)
		if err != nil {
			return c, err
		}
		c.net = &net
	}
	if in.LoadBalancers != nil {
		lbs, err := a.loadBalancers(ctx, in.LoadBalancers)
		if err != nil {
			return c, err
		}
		c.balancers = append([]LoadBalancer{}, lbs...)
	}
	if in.PlatformVersion != nil {
		v, err := platformVersion(in.PlatformVersion)
		if err != nil {
			return c, err
		}
		c.platform = v
	}
	return c, nil
}

// apply changes s and, where its tasks are to be made anew, puts a new primary
// deployment in place of the one that is.
func (c change) apply(tx store.Tx, a *API, in *ecs.UpdateServiceInput, s *Service) error {
	deployments, err := DeploymentsOf(tx, s.Key())
	if err != nil {
		return err
	}
	old := deployments[0]
	next := old
	if in.TaskDefinition != nil {
		d, err := a.launchable(tx, *in.TaskDefinition)
		if err != nil {
			return err
		}
		next.TaskDefinition = *d.Definition.TaskDefinitionArn
	}
	if c.net != nil {
		next.Network = *c.net
	}
	if c.balancers != nil {
		next.LoadBalancers = c.balancers
	}
	if c.platform != "" {
		next.Platform, s.PlatformVersion = c.platform, c.platform
	}
	if next.Strategy, err = a.newStrategy(tx, in, old.Strategy); err != nil {
		return err
	}
	s.Strategy = next.Strategy
	d, err := DefinitionByARN(tx, next.TaskDefinition)
	if err != nil {
		return err
	}
	if err := checkPortsOf(next.LoadBalancers, d.Definition); err != nil {
		return err
	}
	if err := s.set(in, next.LoadBalancers); err != nil {
		return err
	}
	if !in.ForceNewDeployment && next.same(old) {
		return nil
	}
	old.Primary = false
	if err := Deployments.Put(tx, old.Key(), old); err != nil {
		return err
	}
	next.ID, next.CreatedAt, next.Rollout = c.id, c.at, newRollout(c.id, c.at)
	return Deployments.Put(tx, next.Key(), next)
}

// set takes over what of a service can change without a new deployment.
func (s *Service) set(in *ecs.UpdateServiceInput, lbs []LoadBalancer) (err error) {
	if s.MinimumHealthyPercent, s.MaximumPercent, err = percents(in.DeploymentConfiguration, s.MinimumHealthyPercent, s.MaximumPercent); err != nil {
		return err
	}
	if in.DesiredCount != nil {
		s.Desired = *in.DesiredCount
	}
	if in.HealthCheckGracePeriodSeconds != nil {
		if len(lbs) == 0 {
			return invalid("Health check grace period is only valid for services configured to use load balancers")
		}
		s.HealthCheckGracePeriod = in.HealthCheckGracePeriodSeconds
	}
	if in.PropagateTags != "" {
		s.PropagateTags = in.PropagateTags
	}
	if in.EnableECSManagedTags != nil {
		s.ManagedTags = *in.EnableECSManagedTags
	}
	return nil
}

// same says whether the tasks of both deployments are made from the same.
func (d Deployment) same(o Deployment) bool {
	return d.TaskDefinition == o.TaskDefinition && d.Platform == o.Platform &&
		slices.Equal(d.Strategy, o.Strategy) && slices.Equal(d.LoadBalancers, o.LoadBalancers) &&
		slices.Equal(d.Network.Subnets, o.Network.Subnets) &&
		slices.Equal(d.Network.SecurityGroups, o.Network.SecurityGroups) &&
		d.Network.AssignPublicIP == o.Network.AssignPublicIP
}

// DeploymentsOf returns a service's deployments, the primary one first and
// then the newest first.
func DeploymentsOf(tx store.Tx, service string) ([]Deployment, error) {
	all, err := Deployments.List(tx, service+"/")
	slices.SortFunc(all, func(a, b Deployment) int {
		if a.Primary != b.Primary {
			if a.Primary {
				return -1
			}
			return 1
		}
		return b.CreatedAt.Compare(a.CreatedAt)
	})
	return all, err
}

// newRollout is the state of a deployment that begins.
func newRollout(deployment string, at time.Time) Rollout {
	return Rollout{
		State:     types.DeploymentRolloutStateInProgress,
		Reason:    "ECS deployment " + deployment + " in progress.",
		UpdatedAt: at,
	}
}

// wire returns the placement as the API has it.
func (n Network) wire() *types.NetworkConfiguration {
	return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{
		Subnets:        n.Subnets,
		SecurityGroups: append([]string{}, n.SecurityGroups...),
		AssignPublicIp: types.AssignPublicIp(n.AssignPublicIP),
	}}
}

func (l LoadBalancer) wire() types.LoadBalancer {
	return types.LoadBalancer{TargetGroupArn: aws.String(l.TargetGroup), ContainerName: aws.String(l.ContainerName), ContainerPort: aws.Int32(l.ContainerPort)}
}

// TaskTags are the tags of a new task of the service.
func (s *Service) TaskTags(ofDefinition []types.Tag) []types.Tag {
	return taskTags(s.PropagateTags, ofDefinition, s.Tags, nil, s.ManagedTags, s.Cluster, s.Name)
}
