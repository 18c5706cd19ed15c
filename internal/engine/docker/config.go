package docker

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/skylift/skylift/internal/engine"
)

const mebibyte = 1 << 20

// sharesMin is what a container without CPU units gets beside those that have
// some, as the ECS agent does it.
const sharesMin = 2

// labels returns what marks a container of t; name is "" for the sandbox.
func (e *Engine) labels(t engine.Task, name string) map[string]string {
	all := maps.Clone(t.Labels)
	if all == nil {
		all = make(map[string]string, 3)
	}
	all[labelInstance], all[labelTask], all[labelContainer] = e.instance, t.ID, name
	return all
}

// shortName is the readable name of a container; name is "" for the sandbox.
func (e *Engine) shortName(task, name string) string {
	return containerName(prefix(e.instance, 6), prefix(task, 8), name)
}

// longName is for a container whose short name somebody else took.
func (e *Engine) longName(task, name string) string {
	return containerName(e.instance, task, name)
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
	dns, err := addresses(t.DNS)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	return client.ContainerCreateOptions{
		Config: &container.Config{
			Image:    e.pause.ref,
			Hostname: t.Hostname,
			Labels:   e.labels(t, ""),
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
			Resources:      container.Resources{CgroupParent: e.cgroups.parent(t.ID)},
		},
	}, nil
}

// containerOptions describes one container of t that joins the sandbox.
func (e *Engine) containerOptions(t engine.Task, c engine.Container, sandbox string) client.ContainerCreateOptions {
	return client.ContainerCreateOptions{
		Config: &container.Config{
			Image:      c.Image,
			Cmd:        c.Command,
			Entrypoint: c.EntryPoint,
			Env:        c.Env,
			WorkingDir: c.WorkingDirectory,
			User:       c.User,
			Labels:     e.labels(t, c.Name),
		},
		HostConfig: &container.HostConfig{
			NetworkMode:   container.NetworkMode("container:" + sandbox),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			LogConfig: container.LogConfig{
				Type:   "json-file",
				Config: map[string]string{"max-size": "20m", "max-file": "3"},
			},
			Resources: e.resources(t, c),
		},
	}
}

// resources returns a container's limits. What the task's cgroup limits for
// all of them together isn't repeated on each.
func (e *Engine) resources(t engine.Task, c engine.Container) container.Resources {
	r := container.Resources{
		CPUShares:         int64(max(c.CPU, sharesMin)),
		Memory:            c.Memory * mebibyte,
		MemoryReservation: c.MemoryReservation * mebibyte,
		CgroupParent:      e.cgroups.parent(t.ID),
	}
	if !e.cgroups.usable {
		r.CPUShares = int64(cmp.Or(c.CPU, t.CPU))
		r.NanoCPUs = int64(t.CPU) * 1e9 / 1024
		r.Memory = cmp.Or(c.Memory, t.Memory) * mebibyte
	}
	r.MemorySwap = r.Memory // none beyond the memory, as on AWS
	return r
}

// addresses parses resolvers.
func addresses(list []string) ([]netip.Addr, error) {
	var parsed []netip.Addr
	for _, s := range list {
		a, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("resolver: %w", err)
		}
		parsed = append(parsed, a)
	}
	return parsed, nil
}

// hosts returns entries as Docker takes them.
func hosts(entries map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		list = append(list, name+":"+entries[name])
	}
	return list
}
