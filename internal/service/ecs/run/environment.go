package run

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// environment returns a container's variables: those that Fargate sets where
// the user doesn't, the definition's, and where the container, which is called
// endpoint there, can ask about itself; each over those before.
func (r *Runner) environment(endpoint string, d types.ContainerDefinition) []string {
	var vars variables
	vars.set("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")
	vars.set("AWS_DEFAULT_REGION", r.Region)
	vars.set("AWS_REGION", r.Region)
	for _, kv := range d.Environment {
		vars.set(aws.ToString(kv.Name), aws.ToString(kv.Value))
	}
	vars.set("ECS_CONTAINER_METADATA_URI", "http://"+ecs.EndpointHost+"/v3/"+endpoint)
	vars.set("ECS_CONTAINER_METADATA_URI_V4", "http://"+ecs.EndpointHost+"/v4/"+endpoint)
	vars.set("ECS_AGENT_URI", "http://"+ecs.EndpointHost+"/api/"+endpoint)
	return vars.list
}

// variables are "NAME=value", each name once.
type variables struct {
	list []string
	at   map[string]int // where a name is in list
}

func (v *variables) set(name, value string) {
	if v.at == nil {
		v.at = map[string]int{}
	}
	i, had := v.at[name]
	if !had {
		i = len(v.list)
		v.at[name], v.list = i, append(v.list, "")
	}
	v.list[i] = name + "=" + value
}
