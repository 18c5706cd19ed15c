// Package machine describes the machine that figures are measured on.
package machine

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/test/bench/proc"
)

// Machine is what the figures were measured on, and with what.
type Machine struct {
	Time     time.Time `json:"time"`
	CPU      string    `json:"cpu"`
	Cores    int       `json:"cores"`
	MemoryGB float64   `json:"memory_gib"`
	Kernel   string    `json:"kernel"`
	Load     string    `json:"load_before"` // over one minute
	Versions []string  `json:"versions"`
}

// Describe describes this machine, and the versions of what is measured.
func Describe(ctx context.Context, skylift string) Machine {
	m := Machine{Time: time.Now().UTC().Truncate(time.Minute), CPU: "unknown", Cores: runtime.NumCPU()}
	for line := range strings.Lines(proc.Content("/proc/cpuinfo")) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			m.CPU = strings.TrimSpace(v)
			break
		}
	}
	var kb float64
	if _, err := fmt.Sscanf(proc.Content("/proc/meminfo"), "MemTotal: %f kB", &kb); err == nil {
		m.MemoryGB = kb / (1 << 20)
	}
	m.Kernel = strings.TrimSpace(proc.Content("/proc/sys/kernel/osrelease"))
	m.Load, _, _ = strings.Cut(proc.Content("/proc/loadavg"), " ")
	for _, c := range [][]string{
		{skylift, "version"},
		{"docker", "version", "--format", "Docker engine {{.Server.Version}}, docker command {{.Client.Version}}"},
		{"nginx", "-v"},
		{"haproxy", "-v"},
		{"docker-registry", "--version"},
		{"wrk", "-v"},
	} {
		// A program that isn't there is of a section that isn't run; wrk -v exits with 1.
		out, _ := exec.CommandContext(ctx, proc.LookPath(c[0]), c[1:]...).CombinedOutput()
		if line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n"); line != "" {
			line, _, _ = strings.Cut(line, " Copyright")
			line, _, _ = strings.Cut(line, " - http")
			m.Versions = append(m.Versions, strings.TrimPrefix(strings.TrimPrefix(line, "nginx version: "), "/usr/bin/"))
		}
	}
	return m
}

// String is the machine in a line.
func (m Machine) String() string {
	return fmt.Sprintf("%d × %s, %.0f GiB, Linux %s, load before %s", m.Cores, m.CPU, m.MemoryGB, m.Kernel, m.Load)
}

// Markdown is the machine for the documentation.
func (m Machine) Markdown(rounds int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured at %s; medians of %d rounds (least – most).\n\n", m.Time.Format("2006-01-02 15:04 MST"), rounds)
	fmt.Fprintf(&b, "- machine: %s\n", m)
	fmt.Fprintf(&b, "- versions: %s\n", strings.Join(append(m.Versions, runtime.Version()), "; "))
	if load, err := strconv.ParseFloat(m.Load, 64); err == nil && load > float64(m.Cores) {
		fmt.Fprintf(&b, "\n**The machine was busy with other work (load %s on %d cores)**: figures and the balancer's ratios vary much from run to run then, so measure again on a quiet one.\n", m.Load, m.Cores)
	}
	return b.String()
}
