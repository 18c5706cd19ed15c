package docker

import (
	"cmp"
	"maps"
	"strings"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/docker/convert"
)

const mebibyte = 1 << 20

// sharesMin is what a container without CPU units gets beside those that have
// some, as the ECS agent does it.
const sharesMin = 2

// labels returns what marks a container of t, with labels of its own; name is ""
// for the sandbox.
func (e *Engine) labels(t engine.Task, name string, own map[string]string) map[string]string {
	all := make(map[string]string, len(t.Labels)+len(own)+3)
	maps.Copy(all, t.Labels)
	maps.Copy(all, own)
	all[labelInstance], all[labelTask], all[labelContainer] = e.instance, t.ID, name
	return all
}

// shortName is the readable name of a container; name is "" for the sandbox.
func (e *Engine) shortName(task, name string) string { return convert.Names(e.instance, task, name)[0] }

// sandboxOptions describes the pause container: it owns what the containers
// of a task share, so host name, hosts and resolvers are set on it.
func (e *Engine) sandboxOptions(t engine.Task) (client.ContainerCreateOptions, error) {
	dns, err := t.Resolvers()
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	return client.ContainerCreateOptions{
		Config: &container.Config{
			Image:    e.pause.Ref,
			Hostname: t.Hostname,
			Labels:   e.labels(t, "", nil),
		},
		HostConfig: &container.HostConfig{
			NetworkMode:    "none",
			DNS:            dns,
			DNSSearch:      t.Search,
			ExtraHosts:     convert.Hosts(t.Hosts),
			IpcMode:        "none",
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges"},
			ReadonlyRootfs: true,
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:      container.LogConfig{Type: "none"},
			Sysctls:        convert.NetworkSysctls(t),
			Resources:      container.Resources{CgroupParent: e.cgroups.Parent(t.ID)},
		},
	}, nil
}

// containerOptions describes one container of t that joins the sandbox. made
// holds the ids of the containers whose volumes it takes.
func (e *Engine) containerOptions(t engine.Task, c engine.Container, sandbox string, made map[string]string) client.ContainerCreateOptions {
	o := client.ContainerCreateOptions{
		Config: &container.Config{
			Image:       c.Image,
			Cmd:         c.Command,
			Entrypoint:  c.EntryPoint,
			Env:         c.Env,
			WorkingDir:  c.WorkingDirectory,
			User:        c.User,
			OpenStdin:   c.Interactive,
			Tty:         c.PseudoTerminal,
			Healthcheck: convert.HealthConfig(c.HealthCheck),
			Labels:      e.labels(t, c.Name, c.Labels),
		},
		HostConfig: &container.HostConfig{
			NetworkMode:    container.NetworkMode("container:" + sandbox),
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
			ReadonlyRootfs: c.ReadonlyRootFilesystem,
			CapAdd:         c.CapAdd,
			CapDrop:        c.CapDrop,
			Sysctls:        convert.OwnSysctls(c),
			Mounts:         e.mounts(t, c),
			VolumesFrom:    convert.Sources(c, made),
			Tmpfs:          convert.Tmpfs(c),
			LogConfig: container.LogConfig{
				Type:   "json-file",
				Config: map[string]string{"max-size": "20m", "max-file": "3"},
			},
			Resources: e.resources(t, c),
		},
	}
	if t.PIDMode != "" {
		o.HostConfig.PidMode = container.PidMode("container:" + sandbox)
	} else if c.Init {
		o.HostConfig.Init = new(true)
	}
	return o
}

// resources returns a container's limits. What the task's cgroup limits for
// all of them together isn't repeated on each.
func (e *Engine) resources(t engine.Task, c engine.Container) container.Resources {
	r := container.Resources{
		CPUShares:         int64(max(c.CPU, sharesMin)),
		Memory:            c.Memory * mebibyte,
		MemoryReservation: c.MemoryReservation * mebibyte,
		CgroupParent:      e.cgroups.Parent(t.ID),
		Ulimits:           convert.Ulimits(c),
		PidsLimit:         new(int64(e.cgroups.Pool().OfContainer(t, c))),
	}
	if !e.cgroups.Usable() {
		r.CPUShares = int64(cmp.Or(c.CPU, t.CPU))
		r.NanoCPUs = int64(t.CPU) * 1e9 / 1024
		r.Memory = cmp.Or(c.Memory, t.Memory) * mebibyte
	}
	r.MemorySwap = r.Memory // none beyond the memory, as on AWS
	return r
}

// mounts returns what a container mounts of the host and of the task's volumes.
func (e *Engine) mounts(t engine.Task, c engine.Container) []mount.Mount {
	var list []mount.Mount
	for _, m := range c.Mounts {
		d := mount.Mount{Type: mount.TypeBind, Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly}
		if !strings.HasPrefix(m.Source, "/") {
			d.Type, d.Source = mount.TypeVolume, convert.VolumeName(e.instance, t.ID, m.Source)
		}
		list = append(list, d)
	}
	return list
}
