package supervise

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// group is the control group for what outlives the service.
const group = "skylift-engine"

// Leave takes a process out of the systemd service that this process is in, if it
// is in one: systemd ends all that is in a service's control group when the
// service stops, and processes that outlive it must not be there. Limits of the
// service end for the process, too.
func Leave(pid int) error {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return fmt.Errorf("leave control group: %w", err)
	}
	var errs []error
	for line := range strings.Lines(string(text)) {
		hierarchy, at, ok := inService(strings.TrimSpace(line))
		if ok {
			errs = append(errs, move(pid, hierarchy, at))
		}
	}
	return errors.Join(errs...)
}

// inService returns where the hierarchy of a line of /proc/self/cgroup is
// mounted, if systemd uses that hierarchy and the path is a service's.
func inService(line string) (hierarchy, at string, ok bool) {
	fields := strings.SplitN(line, ":", 3)
	if len(fields) < 3 || !strings.Contains(fields[2], ".service") {
		return "", "", false
	}
	switch fields[1] {
	case "":
		if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
			return "/sys/fs/cgroup", fields[2], true
		}
		return "/sys/fs/cgroup/unified", fields[2], true
	case "name=systemd":
		return "/sys/fs/cgroup/systemd", fields[2], true
	}
	return "", "", false
}

func move(pid int, hierarchy, from string) error {
	if _, err := os.Stat(hierarchy); errors.Is(err, os.ErrNotExist) {
		return nil // not mounted: systemd doesn't go by it
	}
	to := filepath.Join(hierarchy, group)
	if err := os.Mkdir(to, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("leave control group %s: %w", from, err)
	}
	if err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		return fmt.Errorf("leave control group %s: %w", from, err)
	}
	return nil
}
