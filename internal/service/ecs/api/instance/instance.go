package instance

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/scope"
	"github.com/skylift/skylift/internal/store"
)

// missingInstances is the answer for 1 to most container instances of a cluster.
func (a *Instances) missingInstances(ctx context.Context, cluster *string, refs []string, most int) ([]types.Failure, error) {
	if len(refs) == 0 {
		return nil, ecs.Invalid("Container instance cannot be empty.")
	}
	if len(refs) > most {
		return nil, ecs.Invalid("containerInstances can have at most %d items.", most)
	}
	return handler.View(ctx, a.DB, func(tx store.Tx) ([]types.Failure, error) {
		c, err := a.ActiveCluster(tx, cluster)
		if err != nil {
			return nil, err
		}
		return a.NoInstances(c.Name, refs)
	})
}

// DescribeContainerInstances finds none.
func (a *Instances) DescribeContainerInstances(ctx context.Context, in *sdk.DescribeContainerInstancesInput) (*sdk.DescribeContainerInstancesOutput, error) {
	missing, err := a.missingInstances(ctx, in.Cluster, in.ContainerInstances, 100)
	if err != nil {
		return nil, err
	}
	return &sdk.DescribeContainerInstancesOutput{ContainerInstances: []types.ContainerInstance{}, Failures: missing}, nil
}

// ListContainerInstances finds none.
func (a *Instances) ListContainerInstances(ctx context.Context, in *sdk.ListContainerInstancesInput) (*sdk.ListContainerInstancesOutput, error) {
	if err := a.emptyPage(ctx, in.Cluster, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	return &sdk.ListContainerInstancesOutput{ContainerInstanceArns: []string{}}, nil
}

// emptyPage checks what asks for a page of a list of nothing in a cluster.
func (a *Instances) emptyPage(ctx context.Context, cluster *string, n *int32, token *string) error {
	if _, err := scope.Pages(100, 100).Open(n, token); err != nil {
		return err
	}
	return a.DB.View(ctx, func(tx store.Tx) error {
		_, err := a.ActiveCluster(tx, cluster)
		return err
	})
}

// UpdateContainerInstancesState finds none to update.
func (a *Instances) UpdateContainerInstancesState(ctx context.Context, in *sdk.UpdateContainerInstancesStateInput) (*sdk.UpdateContainerInstancesStateOutput, error) {
	if in.Status != types.ContainerInstanceStatusActive && in.Status != types.ContainerInstanceStatusDraining {
		return nil, ecs.Invalid("Container instance status can only be updated to ACTIVE or DRAINING.")
	}
	missing, err := a.missingInstances(ctx, in.Cluster, in.ContainerInstances, 10)
	if err != nil {
		return nil, err
	}
	return &sdk.UpdateContainerInstancesStateOutput{ContainerInstances: []types.ContainerInstance{}, Failures: missing}, nil
}

// DeregisterContainerInstance finds none to deregister.
func (a *Instances) DeregisterContainerInstance(ctx context.Context, in *sdk.DeregisterContainerInstanceInput) (*sdk.DeregisterContainerInstanceOutput, error) {
	if _, err := a.missingInstances(ctx, in.Cluster, []string{*in.ContainerInstance}, 1); err != nil {
		return nil, err
	}
	return nil, scope.NoInstance()
}

// UpdateContainerAgent finds no agent to update.
func (a *Instances) UpdateContainerAgent(ctx context.Context, in *sdk.UpdateContainerAgentInput) (*sdk.UpdateContainerAgentOutput, error) {
	if _, err := a.missingInstances(ctx, in.Cluster, []string{*in.ContainerInstance}, 1); err != nil {
		return nil, err
	}
	return nil, scope.NoInstance()
}

// PutAttributes finds nothing to put attributes on: only container instances
// have them.
func (a *Instances) PutAttributes(ctx context.Context, in *sdk.PutAttributesInput) (*sdk.PutAttributesOutput, error) {
	return nil, a.noTarget(ctx, in.Cluster, in.Attributes)
}

// DeleteAttributes finds nothing to delete attributes from.
func (a *Instances) DeleteAttributes(ctx context.Context, in *sdk.DeleteAttributesInput) (*sdk.DeleteAttributesOutput, error) {
	return nil, a.noTarget(ctx, in.Cluster, in.Attributes)
}

// noTarget says that what attributes are of isn't there.
func (a *Instances) noTarget(ctx context.Context, cluster *string, attributes []types.Attribute) error {
	if n := len(attributes); n == 0 || n > 10 {
		return ecs.Invalid("attributes must have 1 to 10 items.")
	}
	var targets []string
	for _, t := range attributes {
		switch target := aws.ToString(t.TargetId); {
		case aws.ToString(t.Name) == "":
			return ecs.Invalid("An attribute must have a name.")
		case target == "":
			return ecs.Invalid("The attribute %s must have a target.", *t.Name)
		case t.TargetType == "" && !strings.HasPrefix(target, "arn:"):
			return ecs.Invalid("The attribute %s must have a target type, as its target is no ARN.", *t.Name)
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
func (a *Instances) ListAttributes(ctx context.Context, in *sdk.ListAttributesInput) (*sdk.ListAttributesOutput, error) {
	if in.AttributeValue != nil && in.AttributeName == nil {
		return nil, ecs.Invalid("You must specify an attribute name to use the attribute value.")
	}
	if err := a.emptyPage(ctx, in.Cluster, in.MaxResults, in.NextToken); err != nil {
		return nil, err
	}
	return &sdk.ListAttributesOutput{Attributes: []types.Attribute{}}, nil
}
