package ecs

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/store"
)

var nameForm = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,255}$`)

// clusterName reads a cluster's short name or ARN; "default" when none is given.
func clusterName(ref *string) string {
	s := aws.ToString(ref)
	if s == "" {
		return "default"
	}
	if _, name, ok := strings.Cut(s, ":cluster/"); ok {
		return name
	}
	return s
}

// activeCluster returns the cluster that ref names, which must be ACTIVE.
func activeCluster(tx store.Tx, ref *string) (Cluster, error) {
	c, err := Clusters.Get(tx, clusterName(ref))
	if missing(err) || err == nil && c.Status != Active {
		return Cluster{}, &types.ClusterNotFoundException{Message: aws.String("Cluster not found.")}
	}
	return c, err
}

// CreateCluster makes a cluster; one that exists already is returned as it is.
func (a *API) CreateCluster(ctx context.Context, in *ecs.CreateClusterInput) (*ecs.CreateClusterOutput, error) {
	if err := awserr.Refuse(in, "InvalidParameterException", "ClusterName", "Tags"); err != nil {
		return nil, err
	}
	name := clusterName(in.ClusterName)
	if !nameForm.MatchString(name) {
		return nil, invalid("Invalid identifier: Identifier is for %s. Your identifier must use up to 255 letters, numbers, hyphens and underscores.", name)
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
	for _, i := range in.Include {
		if i != types.ClusterFieldTags {
			return nil, invalid("include %s is not supported by Skylift yet; leave it out.", i)
		}
	}
	out := &ecs.DescribeClustersOutput{Clusters: []types.Cluster{}, Failures: []types.Failure{}}
	err := a.db.View(ctx, func(tx store.Tx) error {
		for _, ref := range refs {
			c, err := Clusters.Get(tx, clusterName(&ref))
			if missing(err) {
				out.Failures = append(out.Failures, failure(a.ns.ARN("ecs", "cluster/"+clusterName(&ref)), "MISSING"))
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
	arns, next := page(arns, func(s string) string { return s }, in.NextToken, n)
	return &ecs.ListClustersOutput{ClusterArns: arns, NextToken: next}, nil
}

// DeleteCluster makes an empty cluster INACTIVE.
func (a *API) DeleteCluster(ctx context.Context, in *ecs.DeleteClusterInput) (*ecs.DeleteClusterOutput, error) {
	var c Cluster
	err := a.db.Update(ctx, func(tx store.Tx) error {
		var err error
		if c, err = activeCluster(tx, in.Cluster); err != nil {
			return err
		}
		n, err := count(tx, c.Name)
		if err != nil {
			return err
		}
		if n.services > 0 {
			return &types.ClusterContainsServicesException{Message: aws.String("The Cluster cannot be deleted while Services are active.")}
		}
		if n.running+n.pending > 0 {
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

type clusterCounts struct{ services, running, pending int32 }

// count counts what a cluster has.
func count(tx store.Tx, cluster string) (clusterCounts, error) {
	var n clusterCounts
	services, err := Services.List(tx, cluster+"/")
	if err != nil {
		return n, fmt.Errorf("count services: %w", err)
	}
	for _, s := range services {
		if s.Status != Inactive {
			n.services++
		}
	}
	for t, err := range Tasks.Scan(tx, cluster+"/", "") {
		if err != nil {
			return n, fmt.Errorf("count tasks: %w", err)
		}
		running, pending := t.counts()
		n.running, n.pending = n.running+running, n.pending+pending
	}
	return n, nil
}

func (c Cluster) wire(n clusterCounts, include []types.ClusterField) *types.Cluster {
	return &types.Cluster{
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
}
