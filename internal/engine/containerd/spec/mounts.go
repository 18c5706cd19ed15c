package spec

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/skylift/skylift/internal/engine"
)

// mounts returns all that a container mounts, a directory before what is mounted
// in it. A mount of its definition replaces a default one at the same place.
func mounts(c Container) []specs.Mount {
	var own []specs.Mount
	for _, m := range c.Container.Tmpfs {
		own = append(own, specs.Mount{
			Destination: m.Target, Type: "tmpfs", Source: "tmpfs",
			Options: append([]string{"noexec", "nosuid", "nodev", "size=" + strconv.FormatInt(m.Size, 10) + "m"}, m.Options...),
		})
	}
	for _, m := range c.Volumes {
		own = append(own, bind(m.Source, m.Target, m.ReadOnly))
	}
	for i := range own {
		own[i].Destination = path.Clean(own[i].Destination)
	}
	hidden := func(m specs.Mount) bool {
		return slices.ContainsFunc(own, func(o specs.Mount) bool {
			kernel := o.Destination == "/dev" || o.Destination == "/proc" || o.Destination == "/sys"
			return o.Destination == m.Destination || kernel && strings.HasPrefix(m.Destination, o.Destination+"/")
		})
	}
	all := append(slices.DeleteFunc(defaults(c), hidden), own...)
	slices.SortStableFunc(all, func(a, b specs.Mount) int { return cmp.Compare(depth(a.Destination), depth(b.Destination)) })
	return all
}

// duplicate returns the path at which a container's definition mounts two things;
// "" if there is none.
func duplicate(c engine.Container) string {
	seen := map[string]bool{}
	var targets []string
	for _, m := range c.Mounts {
		targets = append(targets, path.Clean(m.Target))
	}
	for _, m := range c.Tmpfs {
		targets = append(targets, path.Clean(m.Target))
	}
	for _, target := range targets {
		if seen[target] {
			return target
		}
		seen[target] = true
	}
	return ""
}

func depth(dir string) int { return strings.Count(strings.TrimSuffix(dir, "/"), "/") }

func bind(source, target string, readOnly bool) specs.Mount {
	mode := "rw"
	if readOnly {
		mode = "ro"
	}
	return specs.Mount{Destination: target, Type: "bind", Source: source, Options: []string{"rbind", mode, "rprivate"}}
}

// defaults returns what each container mounts.
func defaults(c Container) []specs.Mount {
	list := []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
		{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
		{Destination: "/dev/mqueue", Type: "mqueue", Source: "mqueue", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
	}
	for _, file := range [][2]string{{"/etc/hosts", c.Files.Hosts}, {"/etc/hostname", c.Files.Hostname}, {"/etc/resolv.conf", c.Files.Resolv}} {
		list = append(list, bind(file[1], file[0], c.Container.ReadonlyRootFilesystem))
	}
	if c.Init != "" {
		list = append(list, bind(c.Init, initTarget, true))
	}
	return list
}

// Volumes returns what a container mounts of the host, its own and those of the
// containers that it takes them from. A volume of the task is at the path that
// volume says; anonymous says where the container's own one is for a path that
// its image declares. Of two at the same path the container's own wins.
func Volumes(t engine.Task, c engine.Container, image func(container string) ImageConfig, volume func(name string) string, anonymous func(container, target string) string) []engine.Mount {
	var list []engine.Mount
	add := func(m engine.Mount) {
		m.Target = path.Clean(m.Target)
		if !slices.ContainsFunc(list, func(have engine.Mount) bool { return have.Target == m.Target }) {
			list = append(list, m)
		}
	}
	for _, m := range c.Mounts {
		if !path.IsAbs(m.Source) {
			m.Source = volume(m.Source)
		}
		add(m)
	}
	for _, f := range c.VolumesFrom {
		for _, other := range t.Containers {
			if other.Name != f.Container {
				continue
			}
			for _, m := range Volumes(t, other, image, volume, anonymous) {
				m.ReadOnly = m.ReadOnly || f.ReadOnly
				add(m)
			}
		}
	}
	for _, target := range Declared(c, image(c.Name)) {
		add(engine.Mount{Source: anonymous(c.Name, target), Target: target})
	}
	return list
}

// Declared returns the paths at which an image declares a volume, without those
// where the container has a tmpfs.
func Declared(c engine.Container, image ImageConfig) []string {
	var list []string
	for target := range image.Volumes {
		target = path.Join("/", target)
		if !slices.ContainsFunc(c.Tmpfs, func(t engine.Tmpfs) bool { return path.Clean(t.Target) == target }) {
			list = append(list, target)
		}
	}
	slices.Sort(list)
	return list
}
