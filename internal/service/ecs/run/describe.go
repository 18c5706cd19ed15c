package run

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/service/ecs/inputs"
	"github.com/skylift/skylift/internal/service/ecs/run/convert"
	"github.com/skylift/skylift/internal/service/ecs/ship"
)

// hostName is what a task calls the machine that it runs on, where ports of that
// are open to tasks.
const hostName = "host.skylift.internal"

// describe tells the engine what to run, with the directories of file systems
// that stand for volumes, and with what was read for it. A container without an image is left out: it could not
// be pulled, and the task goes on without it.
func (r *Runner) describe(t task, files mounted, given inputs.Inputs) engine.Task {
	domain := r.Region + ".compute.internal"
	host := fmt.Sprintf("ip-%s.%s", strings.ReplaceAll(t.ENI.Addr.String(), ".", "-"), domain)
	cpu, _ := strconv.Atoi(t.CPU)
	memory, _ := strconv.ParseInt(t.Memory, 10, 64)
	e := engine.Task{
		ID: t.ID, Hostname: host, CPU: cpu, Memory: memory,
		Hosts:   map[string]string{host: t.ENI.Addr.String()},
		PIDMode: string(t.def.Definition.PidMode),
	}
	if e.DNS, e.Search = t.ENI.Servers, t.ENI.Search; len(e.DNS) == 0 && r.Resolver.IsValid() {
		e.DNS, e.Search = []string{r.Resolver.String()}, []string{domain}
	}
	if r.HostAddress.IsValid() {
		e.Hosts[hostName] = r.HostAddress.String()
	}
	for _, v := range t.def.Definition.Volumes {
		if v.EfsVolumeConfiguration == nil {
			e.Volumes = append(e.Volumes, aws.ToString(v.Name))
		}
	}
	for i, d := range t.def.Definition.ContainerDefinitions {
		if t.Containers[i].Pinned == "" {
			continue
		}
		c := convert.Container(d)
		c.Output = convert.Output(d.LogConfiguration, t.LogsBlock)
		c.Image, c.Labels, c.Env = t.Containers[i].Pinned, t.Labels(t.def.Definition, d), convert.Host{Region: r.Region, Endpoint: r.Endpoint}.Environment(t.Task, t.EndpointID(t.Containers[i]), d)
		c.Secrets = convert.Own(given.Variables[c.Name])
		for _, m := range d.MountPoints {
			source := aws.ToString(m.SourceVolume)
			e := engine.Mount{Source: source, Target: aws.ToString(m.ContainerPath), ReadOnly: aws.ToBool(m.ReadOnly)}
			if dir, ok := files[mountKey{c.Name, source}]; ok {
				e.Source, e.ReadOnly = dir.Path, e.ReadOnly || dir.ReadOnly
			}
			c.Mounts = append(c.Mounts, e)
		}
		e.Containers = append(e.Containers, c)
	}
	return e
}

// logged is a container whose output goes to a log stream.
type logged struct {
	ship.Job
	create bool
}

// logged returns the task's containers that have the awslogs driver. The
// stream is named prefix/container/task.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using_awslogs.html
func (r *Runner) logged(t task) (out []logged) {
	for _, d := range t.def.Definition.ContainerDefinitions {
		if d.LogConfiguration == nil {
			continue
		}
		o := d.LogConfiguration.Options
		create, _ := strconv.ParseBool(o["awslogs-create-group"]) // as the agent reads it: "True" is true
		out = append(out, logged{
			Job: ship.Job{
				TaskID: t.ID, Container: *d.Name,
				Group:  o["awslogs-group"],
				Stream: o["awslogs-stream-prefix"] + "/" + *d.Name + "/" + t.ID,
				First:  o["awslogs-multiline-pattern"],
				Buffer: convert.Buffer(o, t.LogsBlock),
				Role:   aws.ToString(t.def.Definition.ExecutionRoleArn), Source: t.ARN,
			},
			create: create,
		})
		if format := o["awslogs-datetime-format"]; format != "" {
			out[len(out)-1].First = ship.Datetime(format)
		}
	}
	return out
}
