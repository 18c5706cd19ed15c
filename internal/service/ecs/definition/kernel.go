package definition

import (
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/skylift/skylift/internal/service/ecs"
)

// checkKernel checks what a container asks of the kernel: limits, parameters
// and capabilities.
func checkKernel(f *ecs.Faults, c *types.ContainerDefinition, name string) {
	checkUlimits(f, name, c.Ulimits)
	checkSystemControls(f, name, c.SystemControls)
	checkLinux(f, name, c.LinuxParameters)
}

// maxFiles is the most open files that Fargate lets a container have.
// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html
const maxFiles = 1048576

// checkUlimits checks limits. -1 means none, as in the container engine.
func checkUlimits(f *ecs.Faults, container string, limits []types.Ulimit) {
	var names []types.UlimitName
	for _, u := range limits {
		switch {
		case u.SoftLimit < -1 || u.HardLimit < -1:
			setting(f, "ulimits", container, "the limits of %s must not be negative", u.Name)
		case u.HardLimit != -1 && (u.SoftLimit == -1 || u.SoftLimit > u.HardLimit):
			setting(f, "ulimits", container, "the soft limit of %s must not exceed its hard limit", u.Name)
		case u.Name == types.UlimitNameNofile && (u.HardLimit == -1 || u.HardLimit > maxFiles):
			setting(f, "ulimits", container, "the limits of nofile must not exceed %d", maxFiles)
		}
		names = append(names, u.Name)
	}
	if name, twice := duplicate(names); twice {
		setting(f, "ulimits", container, "%s is there twice", name)
	}
}

// ipcControls are the kernel parameters of an IPC namespace.
var ipcControls = []string{
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
}

// checkSystemControls refuses kernel parameters that aren't namespaced.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_SystemControl.html
func checkSystemControls(f *ecs.Faults, container string, controls []types.SystemControl) {
	var names []string
	for _, s := range controls {
		name := aws.ToString(s.Namespace)
		switch {
		case name == "" || aws.ToString(s.Value) == "":
			setting(f, "systemControls", container, "namespace and value must be given")
		case !slices.Contains(ipcControls, name) && !strings.HasPrefix(name, "fs.mqueue.") && !strings.HasPrefix(name, "net."):
			setting(f, "systemControls", container, "%s is not a namespaced kernel parameter; net.*, fs.mqueue.* and %s are", name, strings.Join(ipcControls, ", "))
		}
		names = append(names, name)
	}
	if name, twice := duplicate(names); twice {
		setting(f, "systemControls", container, "%s is there twice", name)
	}
}

func checkLinux(f *ecs.Faults, container string, p *types.LinuxParameters) {
	if p == nil {
		return
	}
	for _, o := range []struct {
		is        bool
		parameter string
	}{
		{len(p.Devices) > 0, "devices"},
		{p.SharedMemorySize != nil, "sharedMemorySize"},
		{p.MaxSwap != nil, "maxSwap"},
		{p.Swappiness != nil, "swappiness"},
	} {
		if o.is {
			lacks(f, o.parameter, "container '"+container+"'")
		}
	}
	if c := p.Capabilities; c != nil {
		for _, name := range c.Add {
			if name != "SYS_PTRACE" {
				f.Add("%s is not allowed on Fargate. (Take it out of capabilities.add of container '%s'; SYS_PTRACE is the only one.)", name, container)
			}
		}
		for _, name := range c.Drop {
			if !slices.Contains(capabilities, name) {
				setting(f, "linuxParameters", container, "there is no capability %s to drop", name)
			}
		}
	}
	checkTmpfs(f, container, p.Tmpfs)
}

// capabilities are the names that ECS knows.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_KernelCapabilities.html
var capabilities = []string{
	"ALL", "AUDIT_CONTROL", "AUDIT_WRITE", "BLOCK_SUSPEND", "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK",
	"IPC_OWNER", "KILL", "LEASE", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST",
	"NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT", "SYS_MODULE", "SYS_NICE", "SYS_PACCT",
	"SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "SYSLOG", "WAKE_ALARM",
}

// tmpfsFlags and tmpfsValues are the mount options that ECS knows: those that
// stand alone and those that take a value.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Tmpfs.html
var (
	tmpfsFlags = []string{
		"defaults", "ro", "rw", "suid", "nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync", "remount", "mand", "nomand",
		"atime", "noatime", "diratime", "nodiratime", "bind", "rbind", "unbindable", "runbindable", "private", "rprivate", "shared", "rshared",
		"slave", "rslave", "relatime", "norelatime", "strictatime", "nostrictatime",
	}
	tmpfsValues = []string{"mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol"}
)

func checkTmpfs(f *ecs.Faults, container string, mounts []types.Tmpfs) {
	for _, t := range mounts {
		at := aws.ToString(t.ContainerPath)
		switch {
		case !path.IsAbs(at):
			setting(f, "tmpfs", container, "containerPath '%s' must be an absolute path", at)
		case t.Size < 1:
			setting(f, "tmpfs", container, "the size of %s must be at least 1 MiB", at)
		}
		for _, o := range t.MountOptions {
			name, value, valued := strings.Cut(o, "=")
			if valued && (!slices.Contains(tmpfsValues, name) || value == "") || !valued && !slices.Contains(tmpfsFlags, name) {
				setting(f, "tmpfs", container, "%s has the mount option '%s', which does not exist or lacks its value", at, o)
			}
		}
	}
}
