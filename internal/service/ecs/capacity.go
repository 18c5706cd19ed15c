package ecs

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// providers are the capacity providers that every account has. On both a task
// runs in the same way: nothing interrupts one on FARGATE_SPOT by itself.
var providers = []string{"FARGATE", "FARGATE_SPOT"}

// providerName is what a capacity provider may be called; providerReserved how
// its name may not begin.
var (
	providerName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)
	providerReserved = regexp.MustCompile(`(?i)^(aws|ecs|fargate)`)
)

// noProvider says that there is no such capacity provider.
func noProvider() error {
	return invalid("The specified capacity provider was not found. Specify a valid capacity provider and try again.")
}

// checkProviders reads the capacity providers that a cluster is to have.
func (a *API) checkProviders(refs []string) ([]string, error) {
	names := []string{}
	for _, ref := range refs {
		name, err := a.ours(ref, "capacity-provider")
		if err != nil {
			return nil, err
		}
		if !slices.Contains(providers, name) {
			return nil, noProvider()
		}
		if slices.Contains(names, name) {
			return nil, invalid("The capacity provider %s is specified more than once. Remove the duplicate and try again.", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// strategy reads a capacity provider strategy, whose providers must be
// associated with the cluster.
func (c *Cluster) strategy(in []types.CapacityProviderStrategyItem) ([]StrategyItem, error) {
	var out []StrategyItem
	based := false
	for _, i := range in {
		name := aws.ToString(i.CapacityProvider)
		switch {
		case i.Weight < 0 || i.Weight > 1000:
			return nil, invalid("The weight of the capacity provider %s must be between 0 and 1000.", name)
		case i.Base < 0 || i.Base > 100000:
			return nil, invalid("The base of the capacity provider %s must be between 0 and 100000.", name)
		case !slices.Contains(c.Providers, name):
			return nil, invalid("The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and try again.")
		case slices.ContainsFunc(out, func(o StrategyItem) bool { return o.Provider == name }):
			return nil, invalid("The specified capacity provider strategy contains the capacity provider %s more than once. Remove the duplicate and try again.", name)
		case i.Base > 0 && based:
			return nil, invalid("Only one capacity provider in a capacity provider strategy can have a base defined. Remove the base of the others and try again.")
		}
		based = based || i.Base > 0
		out = append(out, StrategyItem{Provider: name, Base: i.Base, Weight: i.Weight})
	}
	return out, nil
}

// capacity is the strategy that tasks are placed by: the one given, or the
// cluster's default when there is no launch type either. None: by launch type.
func (c *Cluster) capacity(launch types.LaunchType, given []types.CapacityProviderStrategyItem) ([]StrategyItem, error) {
	switch {
	case len(given) > 0 && launch != "":
		return nil, invalid("Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.")
	case len(given) > 0:
		s, err := c.strategy(given)
		if err == nil && weightless(s) {
			err = invalid("There are no capacity providers with a weight value greater than zero defined in the specified capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified. Specify a valid capacity provider strategy and try again.")
		}
		return s, err
	case launch == "" && len(c.Strategy) > 0 && weightless(c.Strategy):
		return nil, invalid("There are no capacity providers with a weight value greater than zero defined in the default capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified. Update the cluster's default capacity provider strategy or specify a valid capacity provider strategy and try again.")
	case launch == "":
		return c.Strategy, nil
	}
	return nil, nil
}

// newStrategy is the strategy of a service after an update: an empty list goes
// back to the launch type, none leaves it as it was.
func (a *API) newStrategy(tx store.Tx, in *ecs.UpdateServiceInput, old []StrategyItem) ([]StrategyItem, error) {
	if in.CapacityProviderStrategy == nil {
		return old, nil
	}
	c, err := a.activeCluster(tx, in.Cluster)
	if err != nil {
		return nil, err
	}
	s, err := c.capacity("", in.CapacityProviderStrategy)
	if len(in.CapacityProviderStrategy) == 0 {
		s, err = nil, nil
	}
	if err == nil && !slices.Equal(s, old) && !in.ForceNewDeployment {
		err = invalid("When switching from launch type to capacity provider strategy on an existing service, or making a change to a capacity provider strategy on a service that is already using one, you must force a new deployment.")
	}
	return s, err
}

// weightless says that no provider of the strategy has a weight.
func weightless(s []StrategyItem) bool {
	return !slices.ContainsFunc(s, func(i StrategyItem) bool { return i.Weight > 0 })
}

// strategyOf returns a strategy as the API has it.
func strategyOf(s []StrategyItem) []types.CapacityProviderStrategyItem {
	out := []types.CapacityProviderStrategyItem{}
	for _, i := range s {
		out = append(out, types.CapacityProviderStrategyItem{CapacityProvider: aws.String(i.Provider), Base: i.Base, Weight: i.Weight})
	}
	return out
}

// launched is the launch type that the API shows of what a strategy places:
// none.
func launched(l types.LaunchType, s []StrategyItem) types.LaunchType {
	if len(s) > 0 {
		return ""
	}
	return l
}

// PutClusterCapacityProviders says which capacity providers a cluster has and
// its default strategy.
func (a *API) PutClusterCapacityProviders(ctx context.Context, in *ecs.PutClusterCapacityProvidersInput) (*ecs.PutClusterCapacityProvidersOutput, error) {
	names, err := a.checkProviders(in.CapacityProviders)
	if err != nil {
		return nil, err
	}
	var c Cluster
	err = a.db.Update(ctx, func(tx store.Tx) (err error) {
		if c, err = a.activeCluster(tx, in.Cluster); err != nil {
			return err
		}
		for _, had := range c.Providers {
			if slices.Contains(names, had) {
				continue
			}
			if providerUsed(tx, c.Name, had) {
				return &types.ResourceInUseException{Message: aws.String("The specified capacity provider is in use and cannot be removed.")}
			}
		}
		c.Providers = names
		if c.Strategy, err = c.strategy(in.DefaultCapacityProviderStrategy); err != nil {
			return err
		}
		return Clusters.Put(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.PutClusterCapacityProvidersOutput{Cluster: c.wire(clusterCounts{}, everyField)}, nil
}

// providerUsed says whether a service's deployment or a task that hasn't stopped is on the
// capacity provider.
func providerUsed(tx store.Tx, cluster, provider string) bool {
	users := tallyProvider(cluster, provider)
	for range Deployments.Keys(tx, "tally", users, "") {
		return true
	}
	for range Tasks.Keys(tx, "tally", users, "") {
		return true
	}
	return false
}

// DescribeCapacityProviders returns the capacity providers asked for, or all.
func (a *API) DescribeCapacityProviders(ctx context.Context, in *ecs.DescribeCapacityProvidersInput) (*ecs.DescribeCapacityProvidersOutput, error) {
	n, err := limit(in.MaxResults, 10)
	if err != nil {
		return nil, err
	}
	if len(in.CapacityProviders) > 100 {
		return nil, invalid("Capacity providers can have at most 100 items.")
	}
	there := providers
	if in.Cluster != nil {
		if there, err = a.providersOf(ctx, in.Cluster); err != nil {
			return nil, err
		}
	}
	out := &ecs.DescribeCapacityProvidersOutput{CapacityProviders: []types.CapacityProvider{}, Failures: []types.Failure{}}
	found := slices.Sorted(slices.Values(there))
	if len(in.CapacityProviders) > 0 {
		asked := []string{}
		for _, ref := range in.CapacityProviders {
			name, err := a.ours(ref, "capacity-provider")
			if err != nil {
				return nil, err
			}
			if !slices.Contains(there, name) {
				out.Failures = append(out.Failures, failure(a.ns.ARN("ecs", "capacity-provider/"+name), "MISSING"))
				continue
			}
			asked = append(asked, name)
		}
		slices.Sort(asked)
		found = slices.Compact(asked)
	}
	found, out.NextToken, err = page(found, itself, false, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	for _, name := range found {
		out.CapacityProviders = append(out.CapacityProviders, types.CapacityProvider{
			CapacityProviderArn: aws.String(a.ns.ARN("ecs", "capacity-provider/"+name)), Name: aws.String(name),
			Status: types.CapacityProviderStatusActive, Type: types.CapacityProviderType(name), Tags: []types.Tag{},
		})
	}
	return out, nil
}

func (a *API) providersOf(ctx context.Context, cluster *string) (names []string, err error) {
	err = a.db.View(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, cluster)
		names = c.Providers
		return err
	})
	return names, err
}

// CreateCapacityProvider makes no capacity provider: there are no machines that
// an Auto Scaling group could add, and none to manage. It says which parameter
// asks for them.
func (a *API) CreateCapacityProvider(_ context.Context, in *ecs.CreateCapacityProviderInput) (*ecs.CreateCapacityProviderOutput, error) {
	if !providerName.MatchString(*in.Name) || providerReserved.MatchString(*in.Name) {
		return nil, invalid(`The specified capacity provider name is not valid. Up to 255 characters are allowed, including letters (upper and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with "aws", "ecs", or "fargate".`)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, invalid("An Auto Scaling group provider or a managed instances provider must be specified, neither of which is supported by Skylift. Use the capacity providers FARGATE and FARGATE_SPOT.")
}

// UpdateCapacityProvider changes none: those that are there can't be changed.
func (a *API) UpdateCapacityProvider(_ context.Context, in *ecs.UpdateCapacityProviderInput) (*ecs.UpdateCapacityProviderOutput, error) {
	return nil, a.fixedProvider(*in.Name, "updated")
}

// DeleteCapacityProvider deletes none: those that are there are reserved.
func (a *API) DeleteCapacityProvider(_ context.Context, in *ecs.DeleteCapacityProviderInput) (*ecs.DeleteCapacityProviderOutput, error) {
	return nil, a.fixedProvider(*in.CapacityProvider, "deleted")
}

// fixedProvider says why a capacity provider can't be changed.
func (a *API) fixedProvider(ref, what string) error {
	name, err := a.ours(ref, "capacity-provider")
	if err != nil {
		return err
	}
	if !slices.Contains(providers, strings.ToUpper(name)) {
		return noProvider()
	}
	return invalid("The FARGATE and FARGATE_SPOT capacity providers are reserved and can't be %s.", what)
}
