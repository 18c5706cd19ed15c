package ecs

import (
	"context"
	"fmt"
	"reflect"
	"slices"

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
	launch    launch
}

func (a *API) readChange(ctx context.Context, in *ecs.UpdateServiceInput) (change, error) {
	c := change{launch: newLaunch()}
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
	current, err := s.Deploying(tx)
	if err != nil {
		return err
	}
	old, err := ServiceRevisions.Get(tx, s.Key()+"/"+current.Wanted())
	if err != nil {
		return fmt.Errorf("read the revision that service %s runs: %w", s.Key(), err)
	}
	next := old.Spec
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
	d, err := DefinitionByARN(tx, next.TaskDefinition)
	if err != nil {
		return err
	}
	if err := checkPortsOf(next.LoadBalancers, d.Definition); err != nil {
		return err
	}
	if err := s.set(in); err != nil {
		return err
	}
	if err := s.Method.follows(&current, &old, next.LoadBalancers); err != nil {
		return err
	}
	if in.ForceNewDeployment || !next.same(old.Spec) {
		return c.launch.put(tx, s, next, current)
	}
	if !current.Open() || reflect.DeepEqual(current.Config, s.DeploymentConfig) {
		return nil
	}
	current.Config = s.DeploymentConfig
	return ServiceDeployments.Put(tx, current.Key(), current)
}

// set takes over what of a service can change without a new deployment.
func (s *Service) set(in *ecs.UpdateServiceInput) (err error) {
	if s.DeploymentConfig, err = configure(in.DeploymentConfiguration, s.DeploymentConfig); err != nil {
		return err
	}
	if in.AvailabilityZoneRebalancing != "" {
		s.Rebalance = in.AvailabilityZoneRebalancing == types.AvailabilityZoneRebalancingEnabled
	}
	if s.Rebalance && !rebalanceable(s.DeploymentConfig) {
		return cannotRebalance("updated")
	}
	if in.DesiredCount != nil {
		s.Desired = *in.DesiredCount
	}
	if in.HealthCheckGracePeriodSeconds != nil {
		s.HealthCheckGracePeriod = in.HealthCheckGracePeriodSeconds
	}
	if in.PropagateTags != "" {
		s.PropagateTags = in.PropagateTags
	}
	if in.EnableExecuteCommand != nil {
		s.ExecuteCommand = *in.EnableExecuteCommand
	}
	if in.EnableECSManagedTags != nil {
		s.ManagedTags = *in.EnableECSManagedTags
	}
	return nil
}

// same says whether the tasks of both are made from the same.
func (s Spec) same(o Spec) bool {
	return s.TaskDefinition == o.TaskDefinition && s.Platform == o.Platform &&
		slices.Equal(s.Strategy, o.Strategy) && slices.Equal(s.LoadBalancers, o.LoadBalancers) &&
		slices.Equal(s.Network.Subnets, o.Network.Subnets) &&
		slices.Equal(s.Network.SecurityGroups, o.Network.SecurityGroups) &&
		s.Network.AssignPublicIP == o.Network.AssignPublicIP
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
	out := types.LoadBalancer{TargetGroupArn: aws.String(l.TargetGroup), ContainerName: aws.String(l.ContainerName), ContainerPort: aws.Int32(l.ContainerPort)}
	if l.Advanced != (Advanced{}) {
		out.AdvancedConfiguration = &types.AdvancedConfiguration{
			AlternateTargetGroupArn: aws.String(l.Advanced.AlternateTargetGroup), ProductionListenerRule: aws.String(l.Advanced.ProductionRule),
			TestListenerRule: str(l.Advanced.TestRule), RoleArn: str(l.Advanced.Role),
		}
	}
	return out
}

// TaskTags are the tags of a new task of the service.
func (s *Service) TaskTags(ofDefinition []types.Tag) []types.Tag {
	return taskTags(s.PropagateTags, ofDefinition, s.Tags, nil, s.ManagedTags, s.Cluster, s.Name)
}
