package cluster

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/store"
)

// providerName is what a capacity provider may be called; providerReserved how
// its name may not begin.
var (
	providerName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)
	providerReserved = regexp.MustCompile(`(?i)^(aws|ecs|fargate)`)
)

// noProvider says that there is no such capacity provider.
func noProvider() error {
	return ecs.Invalid("The specified capacity provider was not found. Specify a valid capacity provider and try again.")
}

// checkProviders reads the capacity providers that a cluster is to have.
func (a *Clusters) checkProviders(refs []string) ([]string, error) {
	names := []string{}
	for _, ref := range refs {
		name, err := a.Ours(ref, "capacity-provider")
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ecs.Providers, name) {
			return nil, noProvider()
		}
		if slices.Contains(names, name) {
			return nil, ecs.Invalid("The capacity provider %s is specified more than once. Remove the duplicate and try again.", name)
		}
		names = append(names, name)
	}
	return names, nil
}

// PutClusterCapacityProviders says which capacity providers a cluster has and
// its default strategy.
func (a *Clusters) PutClusterCapacityProviders(ctx context.Context, in *sdk.PutClusterCapacityProvidersInput) (*sdk.PutClusterCapacityProvidersOutput, error) {
	names, err := a.checkProviders(in.CapacityProviders)
	if err != nil {
		return nil, err
	}
	c, err := handler.Update(ctx, a.DB, func(tx store.Tx) (ecs.Cluster, error) {
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return c, err
		}
		for _, had := range c.Providers {
			if !slices.Contains(names, had) && ecs.ProviderInUse(tx, c.Name, had) {
				return c, &types.ResourceInUseException{Message: aws.String("The specified capacity provider is in use and cannot be removed.")}
			}
		}
		c.Providers = names
		if c.Strategy, err = scope.Strategy(&c, in.DefaultCapacityProviderStrategy); err != nil {
			return c, err
		}
		return c, ecs.Clusters.Put(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.PutClusterCapacityProvidersOutput{Cluster: clusterOut(&c, ecs.ClusterCounts{}, everyField)}, nil
}

// DescribeCapacityProviders returns the capacity providers asked for, or all.
func (a *Clusters) DescribeCapacityProviders(ctx context.Context, in *sdk.DescribeCapacityProvidersInput) (*sdk.DescribeCapacityProvidersOutput, error) {
	page, err := scope.Pages(10, 10).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	if len(in.CapacityProviders) > 100 {
		return nil, ecs.Invalid("Capacity providers can have at most 100 items.")
	}
	there := ecs.Providers
	if in.Cluster != nil {
		if there, err = a.providersOf(ctx, in.Cluster); err != nil {
			return nil, err
		}
	}
	out := &sdk.DescribeCapacityProvidersOutput{CapacityProviders: []types.CapacityProvider{}, Failures: []types.Failure{}}
	found := slices.Clone(there)
	if len(in.CapacityProviders) > 0 {
		asked := []string{}
		for _, ref := range in.CapacityProviders {
			name, err := a.Ours(ref, "capacity-provider")
			if err != nil {
				return nil, err
			}
			if !slices.Contains(there, name) {
				out.Failures = append(out.Failures, shape.Failure(a.NS.ARN("ecs", "capacity-provider/"+name), "MISSING"))
				continue
			}
			asked = append(asked, name)
		}
		slices.Sort(asked)
		found = slices.Compact(asked)
	}
	found, out.NextToken = handler.Cut(page, found, scope.Itself)
	for _, name := range found {
		out.CapacityProviders = append(out.CapacityProviders, types.CapacityProvider{
			CapacityProviderArn: aws.String(a.NS.ARN("ecs", "capacity-provider/"+name)), Name: aws.String(name),
			Status: types.CapacityProviderStatusActive, Type: types.CapacityProviderType(name), Tags: []types.Tag{},
		})
	}
	return out, nil
}

func (a *Clusters) providersOf(ctx context.Context, cluster *string) ([]string, error) {
	return handler.View(ctx, a.DB, func(tx store.Tx) ([]string, error) {
		c, err := a.ActiveCluster(tx, cluster)
		return c.Providers, err
	})
}

// CreateCapacityProvider makes no capacity provider: there are no machines that
// an Auto Scaling group could add, and none to manage. It says which parameter
// asks for them.
func (a *Clusters) CreateCapacityProvider(_ context.Context, in *sdk.CreateCapacityProviderInput) (*sdk.CreateCapacityProviderOutput, error) {
	if !providerName.MatchString(*in.Name) || providerReserved.MatchString(*in.Name) {
		return nil, ecs.Invalid(`The specified capacity provider name is not valid. Up to 255 characters are allowed, including letters (upper and lowercase), numbers, underscores, and hyphens. The name cannot be prefixed with "aws", "ecs", or "fargate".`)
	}
	if _, err := scope.NewTags(in.Tags); err != nil {
		return nil, err
	}
	return nil, ecs.Invalid("An Auto Scaling group provider or a managed instances provider must be specified, neither of which is supported by Skylift. Use the capacity providers FARGATE and FARGATE_SPOT.")
}

// UpdateCapacityProvider changes none: those that are there can't be changed.
func (a *Clusters) UpdateCapacityProvider(_ context.Context, in *sdk.UpdateCapacityProviderInput) (*sdk.UpdateCapacityProviderOutput, error) {
	return nil, a.fixedProvider(*in.Name, "updated")
}

// DeleteCapacityProvider deletes none: those that are there are reserved.
func (a *Clusters) DeleteCapacityProvider(_ context.Context, in *sdk.DeleteCapacityProviderInput) (*sdk.DeleteCapacityProviderOutput, error) {
	return nil, a.fixedProvider(*in.CapacityProvider, "deleted")
}

// fixedProvider says why a capacity provider can't be changed.
func (a *Clusters) fixedProvider(ref, what string) error {
	name, err := a.Ours(ref, "capacity-provider")
	if err != nil {
		return err
	}
	if !slices.Contains(ecs.Providers, strings.ToUpper(name)) {
		return noProvider()
	}
	return ecs.Invalid("The FARGATE and FARGATE_SPOT capacity providers are reserved and can't be %s.", what)
}
