package containerd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	tasks "github.com/containerd/containerd/api/services/tasks/v1"
	tasktypes "github.com/containerd/containerd/api/types/task"
	"github.com/containerd/containerd/v2/core/containers"

	"github.com/skylift/skylift/internal/engine"
	"github.com/skylift/skylift/internal/engine/containerd/netns"
	"github.com/skylift/skylift/internal/engine/containerd/record"
	"github.com/skylift/skylift/internal/engine/containerd/spec"
)

// createSandbox makes what the containers of t share, unless it was made before.
func (e *Engine) createSandbox(ctx context.Context, t engine.Task) error {
	dns, err := t.Resolvers()
	if err != nil {
		return &engine.StartError{Reason: err.Error()}
	}
	if err := e.records.Make(t.ID); err != nil {
		return err
	}
	if err := e.cgroups.Limit(ctx, t); err != nil {
		return err
	}
	if box, made := e.records.Sandbox(t.ID); made {
		if !e.sandboxRuns(ctx, t.ID, box) {
			return &engine.StartError{Reason: "the task's sandbox has stopped"}
		}
		return nil
	}
	if err := e.writeFiles(t, dns); err != nil {
		return err
	}
	if err := netns.Make(e.netnsPath(t.ID), networkSysctls(t)); err != nil {
		return blame(t, err)
	}
	if t.PIDMode != "" {
		if err := e.startInit(ctx, t); err != nil {
			return err
		}
	}
	return e.records.SandboxMade(t.ID, record.Sandbox{PIDMode: t.PIDMode})
}

// sandboxRuns reports whether what a task's containers share is there. The kernel
// ends a process namespace with its init process.
func (e *Engine) sandboxRuns(ctx context.Context, task string, box record.Sandbox) bool {
	if !netns.Is(e.netnsPath(task)) {
		return false
	}
	if box.PIDMode == "" {
		return true
	}
	p, err := e.processOf(ctx, task)
	return netns.Is(e.pidnsPath(task)) && err == nil && (p == nil || running(p))
}

// networkSysctls returns the kernel parameters of a task's network namespace. As
// in Docker, any user may listen on any port, and ping.
func networkSysctls(t engine.Task) map[string]string {
	all := map[string]string{"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}
	for _, c := range t.Containers {
		for name, value := range c.Sysctls {
			if engine.NetworkSysctl(name) {
				all[name] = value
			}
		}
	}
	return all
}

// blame puts the container's name to a kernel parameter that can't be set.
func blame(t engine.Task, err error) error {
	refused, ok := errors.AsType[*netns.SysctlError](err)
	if !ok {
		return err
	}
	for _, c := range t.Containers {
		if _, wants := c.Sysctls[refused.Name]; wants {
			return &engine.StartError{Container: c.Name, Reason: refused.Error()}
		}
	}
	return &engine.StartError{Reason: refused.Error()}
}

// startInit starts the init process of a task whose containers share their
// processes, and keeps its namespace, which the containers join by its name: the
// number of a process may be another's later.
func (e *Engine) startInit(ctx context.Context, t engine.Task) error {
	err := e.makeRecord(ctx, containers.Container{
		ID: t.ID, Labels: map[string]string{labelInstance: e.instance, labelTask: t.ID, labelContainer: ""},
	}, e.host.Sandbox(t, e.programs.pause, e.netnsPath(t.ID), e.cgroupPath(t.ID, t.ID)), "")
	if err != nil {
		return err
	}
	service := e.client.TaskService()
	if err := e.createTask(ctx, t.ID, &tasks.CreateTaskRequest{ContainerID: t.ID}); err != nil {
		return startError("", err)
	}
	p, err := e.processOf(ctx, t.ID)
	if err != nil {
		return err
	}
	if p != nil && p.Status == tasktypes.Status_CREATED {
		if _, err := service.Start(ctx, &tasks.StartRequest{ContainerID: t.ID}); err != nil {
			return startError("", err)
		}
	}
	if p == nil || p.Pid == 0 {
		return &engine.StartError{Reason: "the task's sandbox has stopped"}
	}
	if netns.Is(e.pidnsPath(t.ID)) {
		return nil
	}
	return netns.Bind(fmt.Sprintf("/proc/%d/ns/pid", p.Pid), e.pidnsPath(t.ID))
}

// filesOf returns the files that a task's containers share.
func (e *Engine) filesOf(task string) spec.Files {
	dir := filepath.Join(e.records.Dir(task), "files")
	return spec.Files{Hosts: filepath.Join(dir, "hosts"), Hostname: filepath.Join(dir, "hostname"), Resolv: e.ResolvConf(task)}
}

// ResolvConf returns the path of the file that the containers of a task have as
// /etc/resolv.conf.
func (e *Engine) ResolvConf(task string) string {
	return filepath.Join(e.records.Dir(task), "files", "resolv.conf")
}

// hostResolv are the files with the host's resolvers, and with those that
// systemd's resolver on loopback asks.
var hostResolv = [2]string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// writeFiles writes the files that a task's containers share.
func (e *Engine) writeFiles(t engine.Task, dns []netip.Addr) error {
	files := e.filesOf(t.ID)
	if err := os.MkdirAll(filepath.Dir(files.Hosts), 0o755); err != nil {
		return fmt.Errorf("make the files of task %s: %w", t.ID, err)
	}
	var host [len(hostResolv)]string
	for i, name := range hostResolv {
		text, _ := os.ReadFile(name) // a host may have none
		host[i] = string(text)
	}
	return errors.Join(
		record.Replace(files.Hosts, []byte(hostsFile(t.Hosts)), 0o644),
		record.Replace(files.Hostname, []byte(spec.Hostname(t)+"\n"), 0o644),
		record.Replace(files.Resolv, []byte(resolvFile(dns, t.Search, host)), 0o644),
	)
}

// hostsFile returns /etc/hosts.
func hostsFile(entries map[string]string) string {
	var b strings.Builder
	b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n" +
		"fe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n")
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		fmt.Fprintf(&b, "%s\t%s\n", entries[name], name)
	}
	return b.String()
}

// resolvFile returns /etc/resolv.conf: with the given resolvers, else those of the
// host that a container can reach. What the host searches, and its options, stay,
// unless something else is to be searched.
func resolvFile(dns []netip.Addr, search []string, host [2]string) string {
	var servers, other []string
	if len(search) > 0 {
		other = []string{"search " + strings.Join(search, " ")}
	}
	for _, a := range dns {
		servers = append(servers, "nameserver "+a.String())
	}
	for i, text := range host {
		for line := range strings.Lines(text) {
			line = strings.TrimSpace(line)
			fields := strings.Fields(line)
			if len(fields) < 2 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
				continue
			}
			if fields[0] != "nameserver" {
				if i == 0 && len(search) == 0 {
					other = append(other, line)
				}
				continue
			}
			a, err := netip.ParseAddr(fields[1])
			if len(dns) == 0 && err == nil && !a.IsLoopback() {
				servers = append(servers, line)
			}
		}
		if len(servers) > 0 {
			break
		}
	}
	if len(servers)+len(other) == 0 {
		return ""
	}
	return strings.Join(slices.Concat(servers, other), "\n") + "\n"
}
