package ecs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// wrong refuses a container's setting and says how it has to be.
func wrong(setting, container, format string, args ...any) error {
	return client("Invalid '%s' setting for container '%s': %s.", setting, container, fmt.Sprintf(format, args...))
}

// checkContainers checks the containers of a task with so many CPU units and so
// much memory in MiB: each, and all together.
func checkContainers(in *ecs.RegisterTaskDefinitionInput, cpu int, memory int64, region string) error {
	cs := in.ContainerDefinitions
	if len(cs) == 0 {
		return client("Container list cannot be empty.")
	}
	if len(cs) > 10 {
		return client("Too many containers: a task definition has at most 10.")
	}
	names, essential := map[string]bool{}, false
	for i := range cs {
		c := &cs[i]
		if err := checkContainer(c, memory, region); err != nil {
			return err
		}
		if err := checkMounts(c, in.Volumes); err != nil {
			return err
		}
		if names[*c.Name] {
			return client("Container names must be unique within a task definition.")
		}
		names[*c.Name] = true
		essential = essential || isEssential(c)
	}
	if !essential {
		return client("Task definition doesn't have any essential container.")
	}
	if err := checkShares(cs, cpu, memory); err != nil {
		return err
	}
	if err := checkPorts(cs); err != nil {
		return err
	}
	return checkOrder(cs)
}

// isEssential says whether the task ends with the container: so it is unless
// it was said otherwise.
func isEssential(c *types.ContainerDefinition) bool { return c.Essential == nil || *c.Essential }

func checkContainer(c *types.ContainerDefinition, memory int64, region string) error {
	name := aws.ToString(c.Name)
	switch {
	case name == "":
		return client("Container.name should not be null or empty.")
	case !nameForm.MatchString(name):
		return client("Container.name contains invalid characters.")
	}
	for _, e := range c.Environment {
		if aws.ToString(e.Name) == "" || strings.ContainsAny(*e.Name, "=\x00") {
			return wrong("environment", name, "a variable's name must not be empty or contain '='")
		}
	}
	if err := checkImage(c); err != nil {
		return err
	}
	if err := checkForeign(c); err != nil {
		return err
	}
	if err := checkShare(c, memory); err != nil {
		return err
	}
	if err := checkLife(c); err != nil {
		return err
	}
	if err := checkKernel(c); err != nil {
		return err
	}
	return checkLogs(name, c.LogConfiguration, region)
}

// imageForm is what an image is called, and digestForm the only kind of digest
// that ECS takes.
var (
	imageForm  = regexp.MustCompile(`^[a-zA-Z0-9._:/#-]+$`)
	digestForm = regexp.MustCompile(`^sha256:[a-fA-F0-9]{64}$`)
)

// checkImage checks an image's name: its 255 characters don't count the digest.
func checkImage(c *types.ContainerDefinition) error {
	image := aws.ToString(c.Image)
	name, digest, pinned := strings.Cut(image, "@")
	switch {
	case image == "":
		return client("Container.image should not be null or empty.")
	case !imageForm.MatchString(name):
		return client("Container.image contains invalid characters.")
	case len(name) > 255:
		return client("Container.image of container '%s' must have at most 255 characters.", *c.Name)
	case pinned && !digestForm.MatchString(digest):
		return client("Container.image of container '%s' must have a digest of the form sha256:<64 hex digits>.", *c.Name)
	}
	return nil
}

// checkForeign refuses what only containers with another network or on
// machines of one's own can have.
func checkForeign(c *types.ContainerDefinition) error {
	switch {
	case len(c.Links) > 0:
		return client("Links are not supported when networkMode=awsvpc.")
	case aws.ToString(c.Hostname) != "":
		return client("hostname is not supported on container when networkMode=awsvpc.")
	case len(c.DnsServers) > 0:
		return client("DNS servers are not supported on container when networkMode=awsvpc.")
	case len(c.DnsSearchDomains) > 0:
		return client("DNS search domains are not supported on container when networkMode=awsvpc.")
	case len(c.ExtraHosts) > 0:
		return client("Extra hosts are not supported on container when networkMode=awsvpc.")
	case aws.ToBool(c.DisableNetworking):
		return client("Disable Networking is not supported on container when networkMode=awsvpc.")
	case aws.ToBool(c.Privileged):
		return client("Fargate requires that the 'privileged' setting be 'false'.")
	case len(c.DockerSecurityOptions) > 0:
		return fargateLacks("dockerSecurityOptions")
	}
	for _, r := range c.ResourceRequirements {
		if r.Type == types.ResourceTypeGpu {
			return client("Tasks using the Fargate launch type do not support GPU resource requirements.")
		}
	}
	if len(c.ResourceRequirements) > 0 {
		return client("The parameter 'resourceRequirements' of 'container %s' is not supported by Skylift.", *c.Name)
	}
	return nil
}

// complete fills in what ECS fills in.
func complete(c *types.ContainerDefinition) {
	if c.Essential == nil {
		c.Essential = aws.Bool(true)
	}
	c.PortMappings = completed(c.PortMappings)
	for i := range c.PortMappings {
		p := &c.PortMappings[i]
		if p.ContainerPortRange == nil {
			p.HostPort = p.ContainerPort
		}
		if p.Protocol == "" {
			p.Protocol = types.TransportProtocolTcp
		}
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
