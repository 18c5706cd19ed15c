package definition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// checkContainers checks the containers of a task with so many CPU units and so
// much memory in MiB, 0 where that isn't known: each, and all together.
func checkContainers(f *ecs.Faults, in *sdk.RegisterTaskDefinitionInput, cpu int, memory int64, region string) {
	cs := in.ContainerDefinitions
	if len(cs) == 0 {
		f.Add("Container list cannot be empty.")
		return
	}
	if len(cs) > 10 {
		f.Add("Too many containers: a task definition has at most 10, and this one %d.", len(cs))
	}
	var names []string
	essential := false
	for i := range cs {
		c := &cs[i]
		checkContainer(f, c, called(c, i), memory, region)
		checkMounts(f, c, called(c, i), in.Volumes)
		names = append(names, called(c, i))
		essential = essential || isEssential(c)
	}
	if name, twice := duplicate(names); twice {
		f.Add("Container names must be unique within a task definition. ('%s' is there twice.)", name)
	}
	if !essential {
		f.Add("Task definition doesn't have any essential container.")
	}
	checkShares(f, cs, cpu, memory)
	checkPorts(f, cs)
	checkOrder(f, cs)
}

// called is how faults call a container: by its place when it has no name.
func called(c *types.ContainerDefinition, place int) string {
	if n := aws.ToString(c.Name); n != "" {
		return n
	}
	return fmt.Sprintf("#%d", place+1)
}

// isEssential says whether the task ends with the container: so it is unless
// it was said otherwise.
func isEssential(c *types.ContainerDefinition) bool { return c.Essential == nil || *c.Essential }

func checkContainer(f *ecs.Faults, c *types.ContainerDefinition, name string, memory int64, region string) {
	switch is := aws.ToString(c.Name); {
	case is == "":
		f.Add("Container.name should not be null or empty. (Container %s has none.)", name)
	case !ecs.ValidName(is):
		f.Add("Container.name contains invalid characters. ('%s': it has up to 255 letters, numbers, hyphens and underscores.)", is)
	}
	for _, e := range c.Environment {
		if aws.ToString(e.Name) == "" || strings.ContainsAny(*e.Name, "=\x00") {
			setting(f, "environment", name, "a variable's name must not be empty or contain '=', and there is '%s'", aws.ToString(e.Name))
		}
	}
	checkSecrets(f, c, name, region)
	checkFiles(f, name, c.EnvironmentFiles)
	checkImage(f, c, name)
	checkForeign(f, c, name)
	checkShare(f, c, name, memory)
	checkLife(f, c, name)
	checkKernel(f, c, name)
	checkLogs(f, name, c.LogConfiguration, region)
}

// imageForm is what an image is called, and digestForm the only kind of digest
// that ECS takes.
var (
	imageForm  = regexp.MustCompile(`^[a-zA-Z0-9._:/#-]+$`)
	digestForm = regexp.MustCompile(`^sha256:[a-fA-F0-9]{64}$`)
)

// checkImage checks an image's name: its 255 characters don't count the digest.
func checkImage(f *ecs.Faults, c *types.ContainerDefinition, name string) {
	image := aws.ToString(c.Image)
	repository, digest, pinned := strings.Cut(image, "@")
	switch {
	case image == "":
		f.Add("Container.image should not be null or empty. (Container '%s' has none.)", name)
	case !imageForm.MatchString(repository):
		f.Add("Container.image contains invalid characters. (Container '%s' has the image '%s'.)", name, image)
	case len(repository) > 255:
		f.Add("Container.image of container '%s' must have at most 255 characters.", name)
	case pinned && !digestForm.MatchString(digest):
		f.Add("Container.image of container '%s' must have a digest of the form sha256:<64 hex digits>.", name)
	}
}

// checkForeign refuses what only containers with another network or on
// machines of one's own can have.
func checkForeign(f *ecs.Faults, c *types.ContainerDefinition, name string) {
	for _, p := range []struct {
		is               bool
		parameter, words string
	}{
		{len(c.Links) > 0, "links", "Links are not supported when networkMode=awsvpc."},
		{aws.ToString(c.Hostname) != "", "hostname", "hostname is not supported on container when networkMode=awsvpc."},
		{len(c.DnsServers) > 0, "dnsServers", "DNS servers are not supported on container when networkMode=awsvpc."},
		{len(c.DnsSearchDomains) > 0, "dnsSearchDomains", "DNS search domains are not supported on container when networkMode=awsvpc."},
		{len(c.ExtraHosts) > 0, "extraHosts", "Extra hosts are not supported on container when networkMode=awsvpc."},
		{aws.ToBool(c.DisableNetworking), "disableNetworking", "Disable Networking is not supported on container when networkMode=awsvpc."},
		{aws.ToBool(c.Privileged), "privileged", "Fargate requires that the 'privileged' setting be 'false'."},
	} {
		if p.is {
			foreign(f, p.parameter, name, p.words)
		}
	}
	if len(c.DockerSecurityOptions) > 0 {
		lacks(f, "dockerSecurityOptions", "container '"+name+"'")
	}
	switch {
	case slices.ContainsFunc(c.ResourceRequirements, func(r types.ResourceRequirement) bool { return r.Type == types.ResourceTypeGpu }):
		foreign(f, "resourceRequirements", name, "Tasks using the Fargate launch type do not support GPU resource requirements.")
	case len(c.ResourceRequirements) > 0:
		f.Add("The parameter 'resourceRequirements' of 'container %s' is not supported by Skylift.", name)
	}
}

// complete fills in what ECS fills in.
func complete(c *types.ContainerDefinition) {
	if c.Essential == nil {
		c.Essential = aws.Bool(true)
	}
	c.PortMappings = completed(c.PortMappings)
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		p.Name, p.ContainerPortRange = said(p.Name), said(p.ContainerPortRange)
		if p.ContainerPortRange == nil {
			p.HostPort = p.ContainerPort
		}
		p.Protocol = protocolOf(*p)
	}
	c.Environment, c.MountPoints = completed(c.Environment), completed(c.MountPoints)
	c.VolumesFrom, c.SystemControls = completed(c.VolumesFrom), completed(c.SystemControls)
	completeHealthCheck(c)
}

// completed returns a copy of a list that is never nil, so that it is shown.
func completed[T any](list []T) []T { return append(make([]T, 0, len(list)), list...) }

// duplicate returns the first that is there twice.
func duplicate[T comparable](list []T) (again T, found bool) {
	for i, v := range list {
		if slices.Contains(list[:i], v) {
			return v, true
		}
	}
	return again, false
}
