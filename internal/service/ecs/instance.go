package ecs

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/store"
)

// There are no container instances: tasks run on this machine, as on Fargate.
// What asks for one is answered as ECS answers in a cluster that has none.

// noInstance says that there is no such container instance.
func noInstance() error { return invalid("The referenced container instance was not found.") }

// instanceID reads the id of a container instance, or its ARN.
func (a *API) instanceID(cluster, ref string) (string, error) {
	id, err := a.inCluster(cluster, ref, "container-instance")
	if err == nil && !idForm.MatchString(id) {
		err = invalid("containerInstanceId length should be one of [32,36]")
	}
	return id, err
}

// noInstances returns that each of the container instances is missing.
func (a *API) noInstances(cluster string, refs []string) ([]types.Failure, error) {
	out := []types.Failure{}
	for _, ref := range refs {
		id, err := a.instanceID(cluster, ref)
		if err != nil {
			return nil, err
		}
		out = append(out, failure(a.ns.ARN("ecs", "container-instance/"+cluster+"/"+id), "MISSING"))
	}
	return out, nil
}

// missingInstances is the answer for 1 to most container instances of a cluster.
func (a *API) missingInstances(ctx context.Context, cluster *string, refs []string, most int) (out []types.Failure, err error) {
	if len(refs) == 0 {
		return nil, invalid("Container instance cannot be empty.")
	}
	if len(refs) > most {
		return nil, invalid("containerInstances can have at most %d items.", most)
	}
	err = a.db.View(ctx, func(tx store.Tx) error {
		c, err := a.activeCluster(tx, cluster)
		if err != nil {
			return err
		}
		out, err = a.noInstances(c.Name, refs)
		return err
	})
	return out, err
}

// DescribeContainerInstances finds none.
func (a *API) DescribeContainerInstances(ctx context.Context, in *ecs.DescribeContainerInstancesInput) (*ecs.DescribeContainerInstancesOutput, error) {
	missing, err := a.missingInstances(ctx, in.Cluster, in.ContainerInstances, 100)
	if err != nil {
		return nil, err
	}
	return &ecs.DescribeContainerInstancesOutput{ContainerInstances: []types.ContainerInstance{}, Failures: missing}, nil
}

// ListContainerInstances finds none.
func (a *API) ListContainerInstances(ctx context.Context, in *ecs.ListContainerInstancesInput) (*ecs.ListContainerInstancesOutput, error) {
	if err := a.emptyPage(ctx, in.Cluster, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	return &ecs.ListContainerInstancesOutput{ContainerInstanceArns: []string{}}, nil
}

// emptyPage checks what asks for a page of a list of nothing in a cluster.
func (a *API) emptyPage(ctx context.Context, cluster *string, n *int32, token *string) error {
	if _, err := limit(n, 100); err != nil {
		return err
	}
	if _, err := position(token); err != nil {
		return err
	}
	return a.db.View(ctx, func(tx store.Tx) error {
		_, err := a.activeCluster(tx, cluster)
		return err
	})
}

// UpdateContainerInstancesState finds none to update.
func (a *API) UpdateContainerInstancesState(ctx context.Context, in *ecs.UpdateContainerInstancesStateInput) (*ecs.UpdateContainerInstancesStateOutput, error) {
	if in.Status != types.ContainerInstanceStatusActive && in.Status != types.ContainerInstanceStatusDraining {
		return nil, invalid("Container instance status can only be updated to ACTIVE or DRAINING.")
	}
	missing, err := a.missingInstances(ctx, in.Cluster, in.ContainerInstances, 10)
	if err != nil {
		return nil, err
	}
	return &ecs.UpdateContainerInstancesStateOutput{ContainerInstances: []types.ContainerInstance{}, Failures: missing}, nil
}

// DeregisterContainerInstance finds none to deregister.
func (a *API) DeregisterContainerInstance(ctx context.Context, in *ecs.DeregisterContainerInstanceInput) (*ecs.DeregisterContainerInstanceOutput, error) {
	if _, err := a.missingInstances(ctx, in.Cluster, []string{*in.ContainerInstance}, 1); err != nil {
		return nil, err
	}
	return nil, noInstance()
}

// UpdateContainerAgent finds no agent to update.
func (a *API) UpdateContainerAgent(ctx context.Context, in *ecs.UpdateContainerAgentInput) (*ecs.UpdateContainerAgentOutput, error) {
	if _, err := a.missingInstances(ctx, in.Cluster, []string{*in.ContainerInstance}, 1); err != nil {
		return nil, err
	}
	return nil, noInstance()
}

// PutAttributes finds nothing to put attributes on: only container instances
// have them.
func (a *API) PutAttributes(ctx context.Context, in *ecs.PutAttributesInput) (*ecs.PutAttributesOutput, error) {
	return nil, a.noTarget(ctx, in.Cluster, in.Attributes)
}

// DeleteAttributes finds nothing to delete attributes from.
func (a *API) DeleteAttributes(ctx context.Context, in *ecs.DeleteAttributesInput) (*ecs.DeleteAttributesOutput, error) {
	return nil, a.noTarget(ctx, in.Cluster, in.Attributes)
}

// noTarget says that what attributes are of isn't there.
func (a *API) noTarget(ctx context.Context, cluster *string, attributes []types.Attribute) error {
	if n := len(attributes); n == 0 || n > 10 {
		return invalid("attributes must have 1 to 10 items.")
	}
	var targets []string
	for _, t := range attributes {
		switch target := aws.ToString(t.TargetId); {
		case aws.ToString(t.Name) == "":
			return invalid("An attribute must have a name.")
		case target == "":
			return invalid("The attribute %s must have a target.", *t.Name)
		case t.TargetType == "" && !strings.HasPrefix(target, "arn:"):
			return invalid("The attribute %s must have a target type, as its target is no ARN.", *t.Name)
		default:
			targets = append(targets, target)
		}
	}
	if _, err := a.missingInstances(ctx, cluster, slices.Compact(slices.Sorted(slices.Values(targets))), 10); err != nil {
		return err
	}
	return &types.TargetNotFoundException{Message: aws.String("The specified target was not found.")}
}

// ListAttributes finds none.
func (a *API) ListAttributes(ctx context.Context, in *ecs.ListAttributesInput) (*ecs.ListAttributesOutput, error) {
	if in.AttributeValue != nil && in.AttributeName == nil {
		return nil, invalid("You must specify an attribute name to use the attribute value.")
	}
	if err := a.emptyPage(ctx, in.Cluster, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	return &ecs.ListAttributesOutput{Attributes: []types.Attribute{}}, nil
}

// ListServicesByNamespace finds no namespace: there is no Cloud Map.
func (a *API) ListServicesByNamespace(_ context.Context, in *ecs.ListServicesByNamespaceInput) (*ecs.ListServicesByNamespaceOutput, error) {
	if _, err := limit(in.MaxResults, 100); err != nil {
		return nil, err
	}
	if _, err := position(in.NextToken); err != nil {
		return nil, err
	}
	if *in.Namespace == "" {
		return nil, invalid("Namespace cannot be empty.")
	}
	return nil, &types.NamespaceNotFoundException{Message: aws.String("The specified namespace wasn't found.")}
}
