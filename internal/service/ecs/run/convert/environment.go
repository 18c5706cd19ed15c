package convert

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/ecs/role"
)

// agent are the variables that say where a container can ask about itself.
var agent = []struct{ name, path string }{
	{"ECS_CONTAINER_METADATA_URI", "/v3/"}, {"ECS_CONTAINER_METADATA_URI_V4", "/v4/"}, {"ECS_AGENT_URI", "/api/"},
}

// credentials is where a container asks for those of its task's role.
const credentials = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"

// Own returns the variables of environment files and secrets that are the user's to set: nothing is over the agent's addresses.
func Own(all engine.Secrets) (list engine.Secrets) {
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		if name != credentials && !slices.ContainsFunc(agent, func(a struct{ name, path string }) bool { return a.name == name }) {
			list = append(list, v)
		}
	}
	return list
}

// Host is where containers run, as their variables say it.
type Host struct {
	Region   string
	Endpoint string // URL of the APIs; "": nowhere
}

// Environment returns a container's variables: those that Fargate sets where
// the user doesn't, and where the APIs are, the definition's, and where the
// container, which is called endpoint there, can ask about itself and for the
// credentials of its task's role; each over those before.
func (h Host) Environment(t ecs.Task, endpoint string, d types.ContainerDefinition) []string {
	var vars variables
	vars.set("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")
	vars.set("AWS_DEFAULT_REGION", h.Region)
	vars.set("AWS_REGION", h.Region)
	if h.Endpoint != "" {
		vars.set("AWS_ENDPOINT_URL", h.Endpoint)
	}
	for _, kv := range d.Environment {
		vars.set(aws.ToString(kv.Name), aws.ToString(kv.Value))
	}
	for _, v := range agent {
		vars.set(v.name, "http://"+ecs.EndpointHost+v.path+endpoint)
	}
	if t.Role != "" {
		vars.set(credentials, role.CredentialsPath+t.CredentialsID)
	}
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
