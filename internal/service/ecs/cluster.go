package ecs

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// CreateCluster makes a cluster; one that exists already is returned as it is,
// if nothing else is said of it.
func (a *API) CreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	want, err := a.newCluster(in)
	if err != nil {
		return nil, err
	}
	var c Cluster
	err = a.db.Update(ctx, func(tx store.Tx) error {
		var err error
		if c, err = Clusters.Get(tx, want.Name); err == nil && c.Status == Active {
			if want.Insights != "" && want.Insights != cmp.Or(c.Insights, insights) || in.Tags != nil && !sameTags(c.Tags, want.Tags) || in.CapacityProviders != nil && !slices.Equal(c.Providers, want.Providers) ||
				in.DefaultCapacityProviderStrategy != nil && !slices.Equal(c.Strategy, want.Strategy) ||
				want.Configuration != nil && !reflect.DeepEqual(c.Configuration, want.Configuration) {
				return invalid("Arguments on this idempotent request are inconsistent with arguments used in previous request(s).")
			}
			return nil
		}
		if err != nil && !missing(err) {
			return err
		}
		c = want
		if c.Insights == "" {
			set, err := AccountSettings.Get(tx, settingKey(a.root(), types.SettingNameContainerInsights))
			if err != nil && !missing(err) {
				return err
			}
			c.Insights = set.Value
		}
		return Clusters.Put(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.CreateClusterOutput{Cluster: c.wire(clusterCounts{}, everyField)}, nil
}

// newCluster reads what is to be made.
func (a *API) newCluster(in *ecs.CreateClusterInput) (c Cluster, err error) {
	name := aws.ToString(in.ClusterName)
	if name == "" {
		name = "default"
	}
	if !nameForm.MatchString(name) {
		return c, invalid("Invalid clusterName %s: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", name)
	}
	c = Cluster{Name: name, ARN: a.ns.ARN("ecs", "cluster/"+name), Status: Active, Tags: given(in.Tags), CreatedAt: now()}
	if err := checkTags(in.Tags); err != nil {
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
	c.Strategy, err = c.strategy(in.DefaultCapacityProviderStrategy)
	return c, err
}

// readSettings reads what settings say of Container Insights; "" when they say nothing.
func readSettings(settings []types.ClusterSetting) (value string, err error) {
	for _, s := range settings {
		switch value = aws.ToString(s.Value); value {
		case "enabled", "enhanced", insights:
		default:
			return "", invalid("Invalid setting value '%s' for '%s'. Valid values are enabled, disabled and enhanced.", value, s.Name)
		}
	}
	return value, nil
}

// insights is what Skylift has of Container Insights. Other values are kept.
const insights = "disabled"

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
		return nil, invalid("logConfiguration must be specified when logging is OVERRIDE.")
	}
	return &types.ClusterConfiguration{ExecuteCommandConfiguration: &e}, nil
}

// UpdateCluster changes a cluster's settings and configuration.
func (a *API) UpdateCluster(ctx context.Context, in *ecs.UpdateClusterInput) (*ecs.UpdateClusterOutput, error) {
	value, err := readSettings(in.Settings)
	if err != nil {
		return nil, err
	}
	said, err := configuration(in.Configuration)
	if err != nil {
		return nil, err
	}
	c, err := a.changeCluster(ctx, in.Cluster, func(c *Cluster) {
		if said != nil {
			c.Configuration = said
		}
		c.Insights = cmp.Or(value, c.Insights)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.UpdateClusterOutput{Cluster: c}, nil
}

// UpdateClusterSettings changes a cluster's settings.
func (a *API) UpdateClusterSettings(ctx context.Context, in *ecs.UpdateClusterSettingsInput) (*ecs.UpdateClusterSettingsOutput, error) {
	if len(in.Settings) == 0 {
		return nil, invalid("Settings cannot be empty.")
	}
	value, err := readSettings(in.Settings)
	if err != nil {
		return nil, err
	}
	c, err := a.changeCluster(ctx, in.Cluster, func(c *Cluster) { c.Insights = value })
	if err != nil {
		return nil, err
	}
	return &ecs.UpdateClusterSettingsOutput{Cluster: c}, nil
}

// changeCluster changes the cluster, which must be ACTIVE.
func (a *API) changeCluster(ctx context.Context, ref *string, change func(*Cluster)) (out *types.Cluster, err error) {
	err = a.db.Update(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, ref)
		if err != nil {
			return err
		}
		change(&c)
		out = c.wire(count(tx, c.Name), everyField)
		return Clusters.Put(tx, c.Name, c)
	})
	return out, err
}

// DescribeClusters returns the clusters asked for; default when none is.
func (a *API) DescribeClusters(ctx context.Context, in *ecs.DescribeClustersInput) (*ecs.DescribeClustersOutput, error) {
	refs := in.Clusters
	if len(refs) == 0 {
		refs = []string{"default"}
	}
	if len(refs) > 100 {
		return nil, invalid("Clusters can have at most 100 items.")
	}
	var out *ecs.DescribeClustersOutput
	err := a.db.View(ctx, func(tx store.Tx) error {
		out = &ecs.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
		for _, ref := range refs {
			name, err := a.clusterName(&ref)
			if err != nil {
				return err
			}
			c, err := Clusters.Get(tx, name)
			if missing(err) {
				out.Failures = append(out.Failures, failure(a.ns.ARN("ecs", "cluster/"+name), "MISSING"))
				continue
			}
			if err != nil {
				return err
			}
			out.Clusters = append(out.Clusters, *c.wire(count(tx, c.Name), in.Include))
		}
		return nil
	})
	return out, err
}

// ListClusters returns the ARNs of the active clusters.
func (a *API) ListClusters(ctx context.Context, in *ecs.ListClustersInput) (*ecs.ListClustersOutput, error) {
	n, err := limit(in.MaxResults, 100)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	err = a.db.View(ctx, func(tx store.Tx) error {
		all, err := Clusters.List(tx, "")
		for _, c := range all {
			if c.Status == Active {
				arns = append(arns, c.ARN)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	arns, next, err := page(arns, itself, false, in.NextToken, n)
	if err != nil {
		return nil, err
	}
	return &ecs.ListClustersOutput{ClusterArns: arns, NextToken: next}, nil
}

// DeleteCluster makes an empty cluster INACTIVE.
func (a *API) DeleteCluster(ctx context.Context, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	var c Cluster
	err := a.db.Update(ctx, func(tx store.Tx) error {
		var err error
		if c, err = a.activeCluster(tx, in.Cluster); err != nil {
			return err
		}
		n := count(tx, c.Name)
		if n.services+n.draining > 0 {
			return &types.ClusterContainsServicesException{Message: aws.String("The Cluster cannot be deleted while Services are active.")}
		}
		if n.running+n.pending+n.leaving > 0 {
			return &types.ClusterContainsTasksException{Message: aws.String("The Cluster cannot be deleted while Tasks are active.")}
		}
		c.Status = Inactive
		return Clusters.Put(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.DeleteClusterOutput{Cluster: c.wire(clusterCounts{}, nil)}, nil
}

// clusterCounts is what a cluster has: services by their status, tasks by what
// they count as.
type clusterCounts struct{ services, draining, running, pending, leaving int32 }

// count counts what a cluster has.
func count(tx store.Tx, cluster string) (n clusterCounts) {
	for state, n := range map[string]*int32{Active: &n.services, Draining: &n.draining} {
		for range Services.Keys(tx, "tally", tallyState(cluster, state), "") {
			*n++
		}
	}
	for state, n := range map[string]*int32{tallyRunning: &n.running, tallyPending: &n.pending, tallyLeaving: &n.leaving} {
		for range Tasks.Keys(tx, "tally", tallyState(cluster, state), "") {
			*n++
		}
	}
	return n
}

// everyField is all that can be asked of a cluster besides its counts.
var everyField = []types.ClusterField{types.ClusterFieldConfigurations, types.ClusterFieldSettings, types.ClusterFieldTags}

func (c *Cluster) wire(n clusterCounts, include []types.ClusterField) *types.Cluster {
	out := &types.Cluster{
		ClusterName:                       &c.Name,
		ClusterArn:                        &c.ARN,
		Status:                            &c.Status,
		ActiveServicesCount:               n.services,
		RunningTasksCount:                 n.running,
		PendingTasksCount:                 n.pending,
		RegisteredContainerInstancesCount: 0,
		Statistics:                        []types.KeyValuePair{},
		Settings:                          []types.ClusterSetting{},
		CapacityProviders:                 append([]string{}, c.Providers...),
		DefaultCapacityProviderStrategy:   strategyOf(c.Strategy),
		Tags:                              tagsOf(include, types.ClusterFieldTags, c.Tags),
	}
	for _, f := range include {
		switch f {
		case types.ClusterFieldAttachments:
			out.Attachments = []types.Attachment{} // there are none for FARGATE and FARGATE_SPOT
		case types.ClusterFieldConfigurations:
			out.Configuration = c.Configuration
		case types.ClusterFieldSettings:
			out.Settings = []types.ClusterSetting{{Name: types.ClusterSettingNameContainerInsights, Value: aws.String(cmp.Or(c.Insights, insights))}}
		case types.ClusterFieldStatistics:
			out.Statistics = n.statistics()
		}
	}
	return out
}

// statistics counts by launch type, as the API has it: all is on Fargate.
func (n clusterCounts) statistics() (out []types.KeyValuePair) {
	for _, s := range []struct {
		what string
		n    int32
	}{
		{"runningEC2TasksCount", 0},
		{"runningFargateTasksCount", n.running},
		{"pendingEC2TasksCount", 0},
		{"pendingFargateTasksCount", n.pending},
		{"activeEC2ServiceCount", 0},
		{"activeFargateServiceCount", n.services},
		{"drainingEC2ServiceCount", 0},
		{"drainingFargateServiceCount", n.draining},
	} {
		out = append(out, types.KeyValuePair{Name: aws.String(s.what), Value: aws.String(strconv.Itoa(int(s.n)))})
	}
	return out
}
