package ecs

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// CreateCluster makes a cluster; one that exists already is returned as it is.
func (a *API) CreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	if err := refuse(in, invalid, "", "ClusterName", "Tags", "Settings"); err != nil {
		return nil, err
	}
	for _, s := range in.Settings {
		if aws.ToString(s.Value) != "disabled" {
			return nil, invalid("The setting '%s' of the parameter 'settings' is not supported by Skylift.", s.Name)
		}
	}
	name := aws.ToString(in.ClusterName)
	if name == "" {
		name = "default"
	}
	if !nameForm.MatchString(name) {
		return nil, invalid("Invalid clusterName %s: up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", name)
	}
	if err := checkTags(in.Tags); err != nil {
		return nil, err
	}
	var c Cluster
	made := now()
	err := a.db.Update(ctx, func(tx store.Tx) error {
		var err error
		if c, err = Clusters.Get(tx, name); err == nil && c.Status == Active {
			return nil
		}
		if err != nil && !missing(err) {
			return err
		}
		c = Cluster{Name: name, ARN: a.ns.ARN("ecs", "cluster/"+name), Status: Active, Tags: in.Tags, CreatedAt: made}
		return Clusters.Put(tx, name, c)
	})
	if err != nil {
		return nil, err
	}
	return &ecs.CreateClusterOutput{Cluster: c.wire(clusterCounts{}, []types.ClusterField{types.ClusterFieldTags})}, nil
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
			n, err := count(tx, c.Name)
			if err != nil {
				return err
			}
			out.Clusters = append(out.Clusters, *c.wire(n, in.Include))
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
		n, err := count(tx, c.Name)
		if err != nil {
			return err
		}
		if n.services+n.draining > 0 {
			return &types.ClusterContainsServicesException{Message: aws.String("The Cluster cannot be deleted while Services are active.")}
		}
		if n.running+n.pending+n.stopping > 0 {
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
type clusterCounts struct{ services, draining, running, pending, stopping int32 }

// count counts what a cluster has.
func count(tx store.Tx, cluster string) (clusterCounts, error) {
	var n clusterCounts
	services, err := Services.List(tx, cluster+"/")
	if err != nil {
		return n, fmt.Errorf("count services: %w", err)
	}
	for _, s := range services {
		switch s.Status {
		case Active:
			n.services++
		case Draining:
			n.draining++
		}
	}
	for t, err := range Tasks.Scan(tx, cluster+"/", "") {
		if err != nil {
			return n, fmt.Errorf("count tasks: %w", err)
		}
		running, pending := t.counts()
		n.running, n.pending = n.running+running, n.pending+pending
		if running+pending == 0 && t.Status != Stopped {
			n.stopping++
		}
	}
	return n, nil
}

func (c Cluster) wire(n clusterCounts, include []types.ClusterField) *types.Cluster {
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
		CapacityProviders:                 []string{},
		DefaultCapacityProviderStrategy:   []types.CapacityProviderStrategyItem{},
		Tags:                              tagsOf(include, types.ClusterFieldTags, c.Tags),
	}
	if slices.Contains(include, types.ClusterFieldSettings) {
		out.Settings = append(out.Settings, types.ClusterSetting{Name: types.ClusterSettingNameContainerInsights, Value: aws.String("disabled")})
	}
	if slices.Contains(include, types.ClusterFieldStatistics) {
		out.Statistics = n.statistics()
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
