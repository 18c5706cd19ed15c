package definition

import (
	"fmt"
	"regexp"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
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
func checkPorts(f *ecs.Faults, cs []types.ContainerDefinition) {
	var used []ports
	names := map[string]bool{}
	for i := range cs {
		c, name, ranges := &cs[i], called(&cs[i], i), 0
		for _, m := range c.PortMappings {
			if said(m.ContainerPortRange) != nil {
				ranges++
			}
			if n := aws.ToString(m.Name); n != "" && names[n] {
				f.Add("The port mapping name is already used: '%s' of container '%s'.", n, name)
			}
			names[aws.ToString(m.Name)] = true
			p, ok := readPorts(f, name, m)
			if !ok {
				continue
			}
			for _, u := range used {
				if u.protocol == p.protocol && u.from <= p.to && p.from <= u.to {
					f.Add("The container port is used multiple times in task: %s of container '%s' and %s of container '%s' are on one network interface.", u, u.container, p, p.container)
				}
			}
			used = append(used, p)
		}
		if ranges > maxPortRanges {
			setting(f, "portMappings", name, "at most %d may have a containerPortRange", maxPortRanges)
		}
	}
}

// said is s, or nil when it is empty: tools send what they have no value for as "".
func said(s *string) *string {
	if aws.ToString(s) == "" {
		return nil
	}
	return s
}

// protocolOf is a port mapping's protocol: whatever isn't udp is tcp.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html
func protocolOf(m types.PortMapping) types.TransportProtocol {
	if m.Protocol == types.TransportProtocolUdp {
		return m.Protocol
	}
	return types.TransportProtocolTcp
}

// readPorts checks one port mapping and returns what it takes.
func readPorts(f *ecs.Faults, container string, m types.PortMapping) (p ports, ok bool) {
	before := len(*f)
	p = ports{protocol: protocolOf(m), container: container}
	if n := aws.ToString(m.Name); n != "" && !portNameForm.MatchString(n) {
		setting(f, "portMappings", container, "the name '%s' must have up to 64 lowercase letters, numbers, underscores and hyphens, and not start with a hyphen", n)
	}
	if said(m.ContainerPortRange) != nil {
		readPortRange(f, &p, m)
		return p, len(*f) == before
	}
	if m.ContainerPort == nil || *m.ContainerPort < 1 || *m.ContainerPort > 65535 {
		setting(f, "containerPort", container, "it must be between 1 and 65535")
		return p, false
	}
	if m.HostPort != nil && *m.HostPort != *m.ContainerPort && *m.HostPort != 0 {
		f.Add("When networkMode=awsvpc, the host ports and container ports in port mappings must match. (Container '%s': leave hostPort %d of containerPort %d out.)", container, *m.HostPort, *m.ContainerPort)
	}
	p.from, p.to = int(*m.ContainerPort), int(*m.ContainerPort)
	return p, true
}

var rangeForm = regexp.MustCompile(`^(\d{1,5})-(\d{1,5})$`)

func readPortRange(f *ecs.Faults, p *ports, m types.PortMapping) {
	if m.ContainerPort != nil || m.HostPort != nil {
		setting(f, "portMappings", p.container, "cannot specify both single port and port range")
	}
	if r := rangeForm.FindStringSubmatch(*m.ContainerPortRange); r != nil {
		p.from, _ = strconv.Atoi(r[1]) // five digits
		p.to, _ = strconv.Atoi(r[2])
	}
	if p.from < 1 || p.from >= p.to || p.to > 65535 {
		setting(f, "containerPortRange", p.container, "'%s' must be <first>-<last>, with the first port less than the last, between 1 and 65535", *m.ContainerPortRange)
	}
}
