package scope

import (
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/api/shape"
)

// There are no container instances: tasks run on this machine, as on Fargate.
// What asks for one is answered as ECS answers in a cluster that has none.

// NoInstance says that there is no such container instance.
func NoInstance() error { return ecs.Invalid("The referenced container instance was not found.") }

// instanceID reads the id of a container instance, or its ARN.
func (a *Scope) instanceID(cluster, ref string) (string, error) {
	id, err := a.InCluster(cluster, ref, "container-instance")
	if err == nil && !idForm.MatchString(id) {
		err = ecs.Invalid("containerInstanceId length should be one of [32,36]")
	}
	return id, err
}

// NoInstances returns that each of the container instances is missing.
func (a *Scope) NoInstances(cluster string, refs []string) ([]types.Failure, error) {
	out := []types.Failure{}
	for _, ref := range refs {
		id, err := a.instanceID(cluster, ref)
		if err != nil {
			return nil, err
		}
		out = append(out, shape.Failure(a.NS.ARN("ecs", "container-instance/"+cluster+"/"+id), "MISSING"))
	}
	return out, nil
}
