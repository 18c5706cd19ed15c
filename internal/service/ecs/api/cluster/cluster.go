package cluster

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
	"github.com/skylift/skylift/internal/service/ecs/setting"
	"github.com/skylift/skylift/internal/store"
)

// CreateCluster makes a cluster; one that exists already is returned as it is,
// if nothing else is said of it.
func (a *Clusters) CreateCluster(ctx context.Context, in *sdk.CreateClusterInput) (*sdk.CreateClusterOutput, error) {
	want, err := a.newCluster(in)
	if err != nil {
		return nil, err
	}
	c, err := handler.Update(ctx, a.DB, func(tx store.Tx) (c ecs.Cluster, err error) {
		c, ok, err := handler.Find(tx, ecs.Clusters, want.Name)
		if err != nil {
			return c, err
		}
		if ok && c.Status == ecs.Active {
			return c, same(in, c, want)
		}
		c = want
		if c.Insights == "" {
			set, _, err := handler.Find(tx, ecs.AccountSettings, setting.Key(a.Root(), types.SettingNameContainerInsights))
			if err != nil {
				return c, err
			}
			c.Insights = set.Value
		}
		return c, ecs.Clusters.Put(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.CreateClusterOutput{Cluster: clusterOut(&c, ecs.ClusterCounts{}, everyField)}, nil
}

// same says by an error that the cluster there is isn't the one that is wanted. What a request doesn't say is no matter.
func same(in *sdk.CreateClusterInput, is, want ecs.Cluster) error {
	if want.Insights != "" && want.Insights != cmp.Or(is.Insights, ecs.InsightsDisabled) ||
		in.Tags != nil && !maps.Equal(is.Tags, want.Tags) ||
		in.CapacityProviders != nil && !slices.Equal(is.Providers, want.Providers) ||
		in.DefaultCapacityProviderStrategy != nil && !slices.Equal(is.Strategy, want.Strategy) ||
		want.Configuration != nil && !reflect.DeepEqual(is.Configuration, want.Configuration) {
		return ecs.Invalid("Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
	}
	return nil
}

// newCluster reads what is to be made.
func (a *Clusters) newCluster(in *sdk.CreateClusterInput) (c ecs.Cluster, err error) {
	name := aws.ToString(in.ClusterName)
	if name == "" {
		name = "default"
	}
	if !ecs.ValidName(name) {
		return c, ecs.Invalid("Invalid clusterName %s: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", name)
	}
	c = ecs.Cluster{Name: name, ARN: a.NS.ARN("ecs", "cluster/"+name), Status: ecs.Active, CreatedAt: ecs.Now()}
	if c.Tags, err = scope.NewTags(in.Tags); err != nil {
		return c, err
	}
	if c.Insights, err = readSettings(in.Settings); err != nil {
		return c, err
	}
	if c.Configuration, err = configuration(in.Configuration); err != nil {
		return c, err
	}
	if c.Providers, err = a.checkProviders(in.CapacityProviders); err != nil {
		return c, err
	}
	c.Strategy, err = scope.Strategy(&c, in.DefaultCapacityProviderStrategy)
	return c, err
}

// readSettings reads what settings say of Container Insights; "" when they say nothing.
func readSettings(settings []types.ClusterSetting) (value string, err error) {
	for _, s := range settings {
		switch value = aws.ToString(s.Value); value {
		case "enabled", "enhanced", ecs.InsightsDisabled:
		default:
			return "", ecs.Invalid("Invalid setting value '%s' for '%s'. Valid values are enabled, disabled and enhanced.", value, s.Name)
		}
	}
	return value, nil
}

// configuration checks a configuration, which is kept.
func configuration(c *types.ClusterConfiguration) (*types.ClusterConfiguration, error) {
	if c == nil || c.ExecuteCommandConfiguration == nil {
		return nil, nil
	}
	e := *c.ExecuteCommandConfiguration
	if e.LogConfiguration != nil && *e.LogConfiguration == (types.ExecuteCommandLogConfiguration{}) {
		e.LogConfiguration = nil // it says nothing
	}
	if e.Logging == types.ExecuteCommandLoggingOverride && e.LogConfiguration == nil {
		return nil, ecs.Invalid("logConfiguration must be specified when logging is OVERRIDE.")
	}
	return &types.ClusterConfiguration{ExecuteCommandConfiguration: &e}, nil
}

// UpdateCluster changes a cluster's settings and configuration.
func (a *Clusters) UpdateCluster(ctx context.Context, in *sdk.UpdateClusterInput) (*sdk.UpdateClusterOutput, error) {
	value, err := readSettings(in.Settings)
	if err != nil {
		return nil, err
	}
	said, err := configuration(in.Configuration)
	if err != nil {
		return nil, err
	}
	c, err := a.changeCluster(ctx, in.Cluster, func(c *ecs.Cluster) {
		if said != nil {
			c.Configuration = said
		}
		c.Insights = cmp.Or(value, c.Insights)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateClusterOutput{Cluster: c}, nil
}

// UpdateClusterSettings changes a cluster's settings.
func (a *Clusters) UpdateClusterSettings(ctx context.Context, in *sdk.UpdateClusterSettingsInput) (*sdk.UpdateClusterSettingsOutput, error) {
	if len(in.Settings) == 0 {
		return nil, ecs.Invalid("Settings cannot be empty.")
	}
	value, err := readSettings(in.Settings)
	if err != nil {
		return nil, err
	}
	c, err := a.changeCluster(ctx, in.Cluster, func(c *ecs.Cluster) { c.Insights = value })
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateClusterSettingsOutput{Cluster: c}, nil
}

// changeCluster changes the cluster, which must be ACTIVE.
func (a *Clusters) changeCluster(ctx context.Context, ref *string, change func(*ecs.Cluster)) (*types.Cluster, error) {
	return handler.Update(ctx, a.DB, func(tx store.Tx) (*types.Cluster, error) {
		c, err := a.ActiveCluster(tx, ref)
		if err != nil {
			return nil, err
		}
		change(&c)
		return clusterOut(&c, ecs.CountCluster(tx, c.Name), everyField), ecs.Clusters.Put(tx, c.Name, c)
	})
}

// DescribeClusters returns the clusters asked for; default when none is.
func (a *Clusters) DescribeClusters(ctx context.Context, in *sdk.DescribeClustersInput) (*sdk.DescribeClustersOutput, error) {
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{"default"}
	}
	if len(refs) > 100 {
		return nil, ecs.Invalid("Clusters can have at most 100 items.")
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) (*sdk.DescribeClustersOutput, error) {
		out := &sdk.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
		for _, ref := range refs {
			name, err := a.ClusterName(&ref)
			if err != nil {
				return nil, err
			}
			c, ok, err := handler.Find(tx, ecs.Clusters, name)
			if err != nil {
				return nil, err
			}
			if !ok {
				out.Failures = append(out.Failures, shape.Failure(a.NS.ARN("ecs", "cluster/"+name), "MISSING"))
				continue
			}
			out.Clusters = append(out.Clusters, *clusterOut(&c, ecs.CountCluster(tx, c.Name), in.Include))
		}
		return out, nil
	})
}

// ListClusters returns the ARNs of the active clusters.
func (a *Clusters) ListClusters(ctx context.Context, in *sdk.ListClustersInput) (*sdk.ListClustersOutput, error) {
	page, err := scope.Pages(100, 100).Open(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	arns, err := handler.View(ctx, a.DB, func(tx store.Tx) ([]string, error) {
		arns := []string{}
		for c, err := range ecs.Clusters.Peek(tx, "") {
			if err != nil {
				return nil, err
			}
			if c.Status == ecs.Active {
				arns = append(arns, c.ARN)
			}
		}
		return arns, nil
	})
	if err != nil {
		return nil, err
	}
	out := &sdk.ListClustersOutput{}
	out.ClusterArns, out.NextToken = handler.Cut(page, arns, scope.Itself)
	return out, nil
}

// DeleteCluster makes an empty cluster INACTIVE.
func (a *Clusters) DeleteCluster(ctx context.Context, in *sdk.DeleteClusterInput) (*sdk.DeleteClusterOutput, error) {
	c, err := handler.Update(ctx, a.DB, func(tx store.Tx) (ecs.Cluster, error) {
		c, err := a.ActiveCluster(tx, in.Cluster)
		if err != nil {
			return c, err
		}
		n := ecs.CountCluster(tx, c.Name)
		if n.Services+n.Draining > 0 {
			return c, &types.ClusterContainsServicesException{Message: aws.String("The Cluster cannot be deleted while Services are active.")}
		}
		if n.Running+n.Pending+n.Leaving > 0 {
			return c, &types.ClusterContainsTasksException{Message: aws.String("The Cluster cannot be deleted while Tasks are active.")}
		}
		c.Status = ecs.Inactive
		return c, ecs.Clusters.Put(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteClusterOutput{Cluster: clusterOut(&c, ecs.ClusterCounts{}, nil)}, nil
}

// everyField is all that can be asked of a cluster besides its counts.
var everyField = []types.ClusterField{types.ClusterFieldConfigurations, types.ClusterFieldSettings, types.ClusterFieldTags}

func clusterOut(c *ecs.Cluster, n ecs.ClusterCounts, include []types.ClusterField) *types.Cluster {
	out := &types.Cluster{
		ClusterName:                       &c.Name,
		ClusterArn:                        &c.ARN,
		Status:                            &c.Status,
		ActiveServicesCount:               n.Services,
		RunningTasksCount:                 n.Running,
		PendingTasksCount:                 n.Pending,
		RegisteredContainerInstancesCount: 0,
		Statistics:                        []types.KeyValuePair{},
		Settings:                          []types.ClusterSetting{},
		CapacityProviders:                 append([]string{}, c.Providers...),
		DefaultCapacityProviderStrategy:   shape.CapacityStrategy(c.Strategy),
		Tags:                              shape.Tags(include, types.ClusterFieldTags, c.Tags),
	}
	for _, f := range include {
		switch f {
		case types.ClusterFieldAttachments:
			out.Attachments = []types.Attachment{} // there are none for FARGATE and FARGATE_SPOT
		case types.ClusterFieldConfigurations:
			out.Configuration = c.Configuration
		case types.ClusterFieldSettings:
			out.Settings = []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: aws.String(cmp.Or(c.Insights, ecs.InsightsDisabled))}}
		case types.ClusterFieldStatistics:
			out.Statistics = statistics(n)
		}
	}
	return out
}

// statistics counts by launch type, as the API has it: all is on Fargate.
func statistics(n ecs.ClusterCounts) (out []types.KeyValuePair) {
	for _, s := range []struct {
		what string
		n    int32
	}{
		{"runningEC2TasksCount", 0},
		{"runningFargateTasksCount", n.Running},
		{"pendingEC2TasksCount", 0},
		{"pendingFargateTasksCount", n.Pending},
		{"activeEC2ServiceCount", 0},
		{"activeFargateServiceCount", n.Services},
		{"drainingEC2ServiceCount", 0},
		{"drainingFargateServiceCount", n.Draining},
	} {
		out = append(out, types.KeyValuePair{Name: aws.String(s.what), Value: aws.String(strconv.Itoa(int(s.n)))})
	}
	return out
}

const insightsSetting = "settings{value=disabled}"

const execConfiguration = "configuration{executeCommandConfiguration{logging=DEFAULT logConfiguration{cloudWatchLogGroupName s3BucketName s3KeyPrefix}}}"
