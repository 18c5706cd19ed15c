package docker

import (
	"cmp"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
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
func (e *Engine) shortName(task, name string) string { return names(e.instance, task, name)[0] }

// names returns the names that a container may have: the readable one, and one
// for when somebody else took that. Name is "" for the sandbox.
func names(instance, task, name string) [2]string {
	return [2]string{
		containerName(prefix(instance, 6), prefix(task, 8), name),
		containerName(instance, task, name),
	}
}

func containerName(instance, task, name string) string {
	base := "skylift-" + instance + "-" + task
	if name == "" {
		return base
	}
	return base + "-" + name
}

func prefix(s string, n int) string { return s[:min(n, len(s))] }

// sandboxOptions describes the pause container: it owns what the containers
// of a task share, so host name, hosts and resolvers are set on it.
func (e *Engine) sandboxOptions(t engine.Task) (client.ContainerCreateOptions, error) {
	dns, err := t.Resolvers()
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	return client.ContainerCreateOptions{
		Config: &container.Config{
			Image:    e.pause.ref,
			Hostname: t.Hostname,
			Labels:   e.labels(t, "", nil),
		},
		HostConfig: &container.HostConfig{
			NetworkMode:    "none",
			DNS:            dns,
			ExtraHosts:     hosts(t.Hosts),
			IpcMode:        "none",
			CapDrop:        []string{"ALL"},
			SecurityOpt:    []string{"no-new-privileges"},
			ReadonlyRootfs: true,
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig:      container.LogConfig{Type: "none"},
			Sysctls:        networkSysctls(t),
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
			Healthcheck: healthConfig(c.HealthCheck),
			Labels:      e.labels(t, c.Name, c.Labels),
		},
		HostConfig: &container.HostConfig{
			NetworkMode:    container.NetworkMode("container:" + sandbox),
			RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
			ReadonlyRootfs: c.ReadonlyRootFilesystem,
			CapAdd:         c.CapAdd,
			CapDrop:        c.CapDrop,
			Sysctls:        ownSysctls(c),
			Mounts:         e.mounts(t, c),
			VolumesFrom:    sources(c, made),
			Tmpfs:          tmpfs(c),
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
		Ulimits:           ulimits(c),
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

// hosts returns entries as Docker takes them.
func hosts(entries map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		list = append(list, name+":"+entries[name])
	}
	return list
}
