package cloud

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/skylift/skylift/test/bench/proc"
)

// Containerd returns where the instance's containerd listens, and what its
// namespace is called.
func (c *Cloud) Containerd() (socket, namespace string, err error) {
	text, err := os.ReadFile(filepath.Join(c.Dir, "instance.json"))
	if err != nil {
		return "", "", err
	}
	var is struct{ ID string }
	if err := json.Unmarshal(text, &is); err != nil {
		return "", "", err
	}
	return filepath.Join("/run/skylift", is.ID, "containerd/containerd.sock"), "skylift-" + is.ID, nil
}

// Skylifts are those of the instance: Skylift, containerd, keepers, and the shims
// of a socket.
func (c *Cloud) Skylifts(socket string) proc.Group {
	return func(line []string) bool {
		all := strings.Join(line, " ")
		return strings.Contains(all, c.Dir) || strings.HasPrefix(filepath.Base(line[0]), "containerd-shim") && strings.Contains(all, "-address "+socket+" ")
	}
}

// Docker says whether a command line is of one of Docker's daemons or shims, or of a container that only waits.
func Docker(line []string) bool {
	name, all := filepath.Base(line[0]), strings.Join(line, " ")
	switch {
	case strings.HasPrefix(name, "containerd-shim"):
		return strings.Contains(all, "-namespace moby ")
	case name == "containerd":
		return strings.Contains(all, "docker")
	}
	return name == "dockerd" || all == "/app wait"
}
