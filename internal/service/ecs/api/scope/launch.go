package scope

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/place"
)

// Network is what the API asks of EC2 before it promises a place for a task.
type Network interface {
	// CheckPlacement says, by an error that names it, which subnet or group does
	// not exist, fills in the default group when groups is empty, and tells the
	// availability zones of the subnets.
	CheckPlacement(ctx context.Context, subnets, groups []string) (withDefault, zones []string, err error)
}

// Strategy reads a capacity provider strategy, whose providers must be
// associated with the cluster.
func Strategy(c *ecs.Cluster, in []types.CapacityProviderStrategyItem) ([]place.StrategyItem, error) {
	var out []place.StrategyItem
	based := false
	for _, i := range in {
		name := aws.ToString(i.CapacityProvider)
		switch {
		case i.Weight < 0 || i.Weight > 1000:
			return nil, ecs.Invalid("The weight of the capacity provider %s must be between 0 and 1000.", name)
		case i.Base < 0 || i.Base > 100000:
			return nil, ecs.Invalid("The base of the capacity provider %s must be between 0 and 100000.", name)
		case !slices.Contains(c.Providers, name):
			return nil, ecs.Invalid("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and try again.")
		case slices.ContainsFunc(out, func(o place.StrategyItem) bool { return o.Provider == name }):
			return nil, ecs.Invalid("The specified capacity provider strategy contains the capacity provider %s more than once. Remove the duplicate and try again.", name)
		case i.Base > 0 && based:
			return nil, ecs.Invalid("Only one capacity provider in a capacity provider strategy can have a base defined. Remove the base of the others and try again.")
		}
		based = based || i.Base > 0
		out = append(out, place.StrategyItem{Provider: name, Base: i.Base, Weight: i.Weight})
	}
	return out, nil
}

// Capacity is the strategy that tasks are placed by: the one given, or the
// cluster's default when there is no launch type either. None: by launch type.
func Capacity(c *ecs.Cluster, launch types.LaunchType, given []types.CapacityProviderStrategyItem) ([]place.StrategyItem, error) {
	switch {
	case len(given) > 0 && launch != "":
		return nil, ecs.Invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case len(given) > 0:
		s, err := Strategy(c, given)
		if err == nil && weightless(s) {
			err = ecs.Invalid("There are no capacity providers with a weight value greater than zero defined in the specified capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified. Specify a valid capacity provider strategy and try again.")
		}
		return s, err
	case launch == "" && len(c.Strategy) > 0 && weightless(c.Strategy):
		return nil, ecs.Invalid("There are no capacity providers with a weight value greater than zero defined in the default capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified. Update the cluster's default capacity provider strategy or specify a valid capacity provider strategy and try again.")
	case launch == "":
		return c.Strategy, nil
	}
	return nil, nil
}

// weightless says that no provider of the strategy has a weight.
func weightless(s []place.StrategyItem) bool {
	return !slices.ContainsFunc(s, func(i place.StrategyItem) bool { return i.Weight > 0 })
}

// Unplaced refuses to be told on which machine tasks are to run.
func Unplaced(constraints []types.PlacementConstraint, strategy []types.PlacementStrategy) error {
	if len(constraints) > 0 {
		return ecs.Invalid("Placement constraints are not supported with FARGATE launch type.")
	}
	if len(strategy) > 0 {
		return ecs.Invalid("Placement strategies are not supported with FARGATE launch type.")
	}
	return nil
}

// FargateOnly refuses the other launch types as a cluster without container
// instances does.
func FargateOnly(l types.LaunchType) error {
	if l == "" || l == types.LaunchTypeFargate {
		return nil
	}
	return ecs.Invalid("No Container Instances were found in your cluster. Use the launch type FARGATE.")
}

// PlatformRevision is the platform version that tasks run on: the only one.
const PlatformRevision = "1.4.0"

// PlatformVersion reads a platform version as it is asked for: LATEST, also where
// nothing is, or the only one. A service gives it back as it was asked for
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Service.html);
// its deployments and tasks say PlatformRevision.
func PlatformVersion(v *string) (string, error) {
	switch s := aws.ToString(v); s {
	case "":
		return "LATEST", nil
	case "LATEST", PlatformRevision:
		return s, nil
	default:
		return "", &types.PlatformUnknownException{Message: aws.String("The specified platform does not exist: " + s + ". Use LATEST or 1.4.0.")}
	}
}

// Placement checks where a task's interface is to be placed.
func (a *Scope) Placement(ctx context.Context, c *types.NetworkConfiguration) (ecs.Network, error) {
	if c == nil || c.AwsvpcConfiguration == nil {
		return ecs.Network{}, ecs.Invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	}
	v := c.AwsvpcConfiguration
	if len(v.Subnets) == 0 {
		return ecs.Network{}, ecs.Invalid("subnets can not be empty.")
	}
	if len(v.Subnets) > 16 {
		return ecs.Network{}, ecs.Invalid("subnets can have at most 16 items.")
	}
	if len(v.SecurityGroups) > 5 {
		return ecs.Network{}, ecs.Invalid("securityGroups can have at most 5 items.")
	}
	groups, zones, err := a.net.CheckPlacement(ctx, v.Subnets, v.SecurityGroups)
	if err != nil {
		return ecs.Network{}, ecs.Invalid("%s", err)
	}
	public := string(v.AssignPublicIp)
	if public == "" {
		public = "DISABLED"
	}
	return ecs.Network{Subnets: v.Subnets, Zones: zones, SecurityGroups: groups, AssignPublicIP: public}, nil
}
