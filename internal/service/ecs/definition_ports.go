package ecs

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// portNameForm is what a port mapping may be called.
var portNameForm = regexp.MustCompile(`^[a-z0-9_][a-z0-9_-]{0,63}$`)

// maxPortRanges is how many ranges of ports a container may have.
const maxPortRanges = 100

// ports is what a port mapping takes: one port, or a range.
type ports struct {
	from, to  int
	protocol  types.TransportProtocol
	container string
}

func (p ports) String() string {
	if p.from == p.to {
		return fmt.Sprintf("%d/%s", p.from, p.protocol)
	}
	return fmt.Sprintf("%d-%d/%s", p.from, p.to, p.protocol)
}

// checkPorts checks the ports of all containers, which share one interface.
func checkPorts(cs []types.ContainerDefinition) error {
	var used []ports
	names := map[string]bool{}
	for _, c := range cs {
		ranges := 0
		for _, m := range c.PortMappings {
			p, err := readPorts(*c.Name, m)
			if err != nil {
				return err
			}
			for _, u := range used {
				if u.protocol == p.protocol && u.from <= p.to && p.from <= u.to {
					return client("The container port is used multiple times in task: %s of container '%s' and %s of container '%s' are on one network interface.", u, u.container, p, p.container)
				}
			}
			used = append(used, p)
			if m.ContainerPortRange != nil {
				ranges++
			}
			if n := aws.ToString(m.Name); n != "" && names[n] {
				return client("The port mapping name is already used: '%s' of container '%s'.", n, *c.Name)
			}
			names[aws.ToString(m.Name)] = true
		}
		if ranges > maxPortRanges {
			return wrong("portMappings", *c.Name, "at most %d may have a containerPortRange", maxPortRanges)
		}
	}
	return nil
}

// readPorts checks one port mapping and returns what it takes.
func readPorts(container string, m types.PortMapping) (ports, error) {
	p := ports{protocol: m.Protocol, container: container}
	if p.protocol == "" {
		p.protocol = types.TransportProtocolTcp
	}
	if m.Name != nil && !portNameForm.MatchString(*m.Name) {
		return p, wrong("portMappings", container, "the name '%s' must have up to 64 lowercase letters, numbers, underscores and hyphens, and not start with a hyphen", *m.Name)
	}
	if m.ContainerPortRange != nil {
		return readPortRange(p, m)
	}
	if m.ContainerPort == nil || *m.ContainerPort < 1 || *m.ContainerPort > 65535 {
		return p, wrong("containerPort", container, "it must be between 1 and 65535")
	}
	if m.HostPort != nil && *m.HostPort != *m.ContainerPort && *m.HostPort != 0 {
		return p, client("When networkMode=awsvpc, the host ports and container ports in port mappings must match.")
	}
	p.from, p.to = int(*m.ContainerPort), int(*m.ContainerPort)
	return p, nil
}

var rangeForm = regexp.MustCompile(`^(\d{1,5})-(\d{1,5})$`)

func readPortRange(p ports, m types.PortMapping) (ports, error) {
	if m.ContainerPort != nil || m.HostPort != nil {
		return p, wrong("portMappings", p.container, "cannot specify both single port and port range")
	}
	if f := rangeForm.FindStringSubmatch(*m.ContainerPortRange); f != nil {
		p.from, _ = strconv.Atoi(f[1]) // five digits
		p.to, _ = strconv.Atoi(f[2])
	}
	if p.from < 1 || p.from >= p.to || p.to > 65535 {
		return p, wrong("containerPortRange", p.container, "'%s' must be <first>-<last>, with the first port less than the last, between 1 and 65535", *m.ContainerPortRange)
	}
	return p, nil
}
