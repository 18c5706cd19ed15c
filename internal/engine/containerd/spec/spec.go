// Package spec writes the OCI runtime specification of a task's containers, as
// pure functions of the task, the image and the host.
//
// A container is as safe as one of Docker's: its capabilities, its masked and
// read-only paths, its devices, its system call filter and its AppArmor profile
// are Docker's defaults.
package spec

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/skylift/skylift/internal/engine"
)

// Host is what a specification depends on of the machine.
type Host struct {
	Unified   bool     // cgroup v2
	Seccomp   bool     // the kernel filters system calls
	AppArmor  string   // the loaded profile; "": the kernel has no AppArmor
	SwapLimit bool     // the kernel limits swap
	Caps      []string // the capabilities that there are: "CAP_CHOWN", …
}

// Container is what one container is made of.
type Container struct {
	Task      engine.Task
	Container engine.Container
	Image     ImageConfig
	User      specs.User
	NetNS     string // path of the task's network namespace
	PIDNS     string // path of the task's process namespace; "": one of its own
	Cgroup    string // as runc takes it
	Shared    bool   // a cgroup above this one holds the task's limits
	Processes int64  // how many it may have
	Files     Files
	Init      string // path of the init program on the host; "": none
	// Volumes are the container's mounts in order, with the host's directories as
	// their sources.
	Volumes []engine.Mount
}

// ImageConfig is what an image says of its containers.
type ImageConfig struct {
	User       string
	Env        []string
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	Volumes    map[string]struct{}
	Shell      []string
}

// Files are paths on the host of files that a task's containers share.
type Files struct{ Hosts, Hostname, Resolv string }

// initTarget is where a container sees its init program.
const initTarget = "/dev/init"

const mebibyte = 1 << 20

// sharesMin is what a container without CPU units gets beside those that have
// some, as the ECS agent does it.
const sharesMin = 2

// cpuPeriod is the kernel's default, in microseconds.
const cpuPeriod = 100_000

// Of returns the specification of a container. Errors: *engine.StartError.
func (h Host) Of(c Container) (*specs.Spec, error) {
	process, err := h.process(c)
	if twice := duplicate(c.Container); err == nil && twice != "" {
		err = fmt.Errorf("duplicate mount point: %s", twice)
	}
	if err != nil {
		return nil, &engine.StartError{Container: c.Container.Name, Reason: err.Error()}
	}
	s := &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: "rootfs", Readonly: c.Container.ReadonlyRootFilesystem},
		Hostname: Hostname(c.Task),
		Process:  process,
		Mounts:   mounts(c),
		Linux: &specs.Linux{
			Namespaces:    h.namespaces(c),
			CgroupsPath:   c.Cgroup,
			Resources:     h.resources(c),
			Sysctl:        ownSysctls(c.Container),
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	if h.Seccomp {
		s.Linux.Seccomp = seccomp.DefaultProfile(s)
	}
	return s, nil
}

// Sandbox returns the specification of a process that does nothing but be the
// init process of a task's containers. root is a directory on the host with the
// program "pause".
func (h Host) Sandbox(t engine.Task, root, netns, cgroup string) *specs.Spec {
	s := &specs.Spec{
		Version:  specs.Version,
		Root:     &specs.Root{Path: root, Readonly: true},
		Hostname: Hostname(t),
		Process: &specs.Process{
			Args: []string{"/pause"}, Cwd: "/", Env: []string{"PATH=/"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{}, ApparmorProfile: h.AppArmor, OOMScoreAdj: new(0),
		},
		Mounts: []specs.Mount{{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}}},
		Linux: &specs.Linux{
			Namespaces:    h.namespaces(Container{NetNS: netns}),
			CgroupsPath:   cgroup,
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}}, CPU: &specs.LinuxCPU{Shares: new(uint64(sharesMin))}},
			MaskedPaths:   maskedPaths(),
			ReadonlyPaths: []string{"/proc/sys"},
		},
	}
	if h.Seccomp {
		s.Linux.Seccomp = seccomp.DefaultProfile(s)
	}
	return s
}

// Hostname is that of a task's containers.
func Hostname(t engine.Task) string {
	if t.Hostname != "" {
		return t.Hostname
	}
	return t.ID[:min(12, len(t.ID))]
}

// process says what a container runs, and as whom.
func (h Host) process(c Container) (*specs.Process, error) {
	args, err := Args(c.Container, c.Image)
	if err != nil {
		return nil, err
	}
	caps, err := h.capabilities(c.Container)
	if err != nil {
		return nil, err
	}
	limits, err := rlimits(c.Container)
	if err != nil {
		return nil, err
	}
	env := Env(c.Task, c.Container, c.Image)
	if c.Init != "" {
		args = slices.Concat([]string{initTarget}, candidates(args[0], env), []string{""}, args)
	}
	cwd := c.Container.WorkingDirectory
	if cwd == "" {
		cwd = c.Image.WorkingDir
	}
	return &specs.Process{
		Terminal:        c.Container.PseudoTerminal,
		User:            c.User,
		Args:            args,
		Env:             env,
		Cwd:             path.Join("/", cwd),
		Capabilities:    &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
		Rlimits:         limits,
		ApparmorProfile: h.AppArmor,
		OOMScoreAdj:     new(0),
	}, nil
}

// Args returns the command line of a container: what its definition says, else
// what the image says. As in Docker, an entry point of the definition's own does
// not get the image's command.
func Args(c engine.Container, image ImageConfig) ([]string, error) {
	entry, command := c.EntryPoint, c.Command
	if len(entry) == 0 {
		entry = image.Entrypoint
		if len(command) == 0 {
			command = image.Cmd
		}
	}
	if len(entry) == 1 && entry[0] == "" {
		entry = nil
	}
	args := slices.Concat(entry, command)
	if len(args) == 0 || args[0] == "" {
		return nil, fmt.Errorf("no command specified")
	}
	return args, nil
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Env returns a container's environment. Later values of a name win.
func Env(t engine.Task, c engine.Container, image ImageConfig) []string {
	all := []string{"PATH=" + defaultPath, "HOSTNAME=" + Hostname(t)}
	if c.PseudoTerminal {
		all = append(all, "TERM=xterm")
	}
	at := map[string]int{}
	var env []string
	for _, e := range slices.Concat(all, image.Env, c.Env) {
		name, _, _ := strings.Cut(e, "=")
		if i, ok := at[name]; ok {
			env[i] = e
			continue
		}
		at[name] = len(env)
		env = append(env, e)
	}
	return env
}

// candidates returns the paths at which a program may be, as execvp(3) looks for
// it: the init program tries them in turn.
func candidates(program string, env []string) []string {
	if strings.Contains(program, "/") {
		return []string{program}
	}
	var list []string
	for _, e := range env {
		dirs, ok := strings.CutPrefix(e, "PATH=")
		if !ok {
			continue
		}
		for dir := range strings.SplitSeq(dirs, ":") {
			list = append(list, path.Join("/", dir, program))
		}
	}
	return list
}

// namespaces returns those that a container joins or has of its own.
func (h Host) namespaces(c Container) []specs.LinuxNamespace {
	list := []specs.LinuxNamespace{
		{Type: specs.MountNamespace},
		{Type: specs.IPCNamespace},
		{Type: specs.UTSNamespace},
		{Type: specs.NetworkNamespace, Path: c.NetNS},
		{Type: specs.PIDNamespace, Path: c.PIDNS},
	}
	if h.Unified {
		list = append(list, specs.LinuxNamespace{Type: specs.CgroupNamespace})
	}
	return list
}

// ownSysctls returns the kernel parameters that are the container's alone. Those
// of the network are the task's.
func ownSysctls(c engine.Container) map[string]string {
	own := maps.Clone(c.Sysctls)
	maps.DeleteFunc(own, func(name, _ string) bool { return engine.NetworkSysctl(name) })
	return own
}

// maskedPaths are what Docker hides of /proc and /sys.
func maskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
		"/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
	}
}
