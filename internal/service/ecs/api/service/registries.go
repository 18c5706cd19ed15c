package service

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/service/ecs"
)

// registriesOf reads the service registries of a request
// (https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceRegistry.html).
func (a *Services) registriesOf(ctx context.Context, in []types.ServiceRegistry) ([]ecs.Registry, error) {
	if len(in) > 1 {
		return nil, ecs.Invalid("serviceRegistries can have at most 1 item.")
	}
	var out []ecs.Registry
	for _, g := range in {
		r := ecs.Registry{ARN: aws.ToString(g.RegistryArn), ContainerName: aws.ToString(g.ContainerName), Port: aws.ToInt32(g.Port)}
		container := r.ContainerName != "" || g.ContainerPort != nil
		switch ref, err := arn.Parse(r.ARN); {
		case r.ARN == "":
			return nil, ecs.Invalid("registryArn cannot be blank.")
		case err != nil || ref.Service != "servicediscovery":
			return nil, ecs.Invalid("The service registry ARN %s is not that of an AWS Cloud Map service.", r.ARN)
		case container && g.Port != nil:
			return nil, ecs.Invalid("Specify port, or containerName and containerPort, for the service registry, not both.")
		case container && (r.ContainerName == "" || g.ContainerPort == nil):
			return nil, ecs.Invalid("Specify both containerName and containerPort for the service registry.")
		case container:
			r.Port = *g.ContainerPort
		}
		ports, err := a.ports(ctx, r.ARN)
		switch {
		case err != nil:
			return nil, err
		case ports && r.Port == 0:
			return nil, ecs.Invalid("The service registry %s has records of type SRV: specify port, or containerName and containerPort.", r.ARN)
		}
		out = append(out, r)
	}
	return out, nil
}

// ports says whether the instances of a registry, which must be there, say a port.
func (a *Services) ports(ctx context.Context, registry string) (bool, error) {
	ports, err := a.registries.Ports(ctx, registry)
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return false, ecs.Invalid("The service registry %s can't be used: %s", registry, e.ErrorMessage())
	}
	if err != nil {
		return false, fmt.Errorf("read service registry %s: %w", registry, err)
	}
	return ports, nil
}
