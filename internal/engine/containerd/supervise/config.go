package supervise

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Programs are the paths of what a containerd needs.
type Programs struct{ Containerd, Shim, Runc string }

// searchPath is where programs are looked for besides $PATH, which for services
// and users often lacks the second half.
const searchPath = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

// Find looks the programs up. The error says how to get those that are missing.
func Find() (Programs, error) {
	var p Programs
	var missing []string
	for name, to := range map[string]*string{"containerd": &p.Containerd, "containerd-shim-runc-v2": &p.Shim, "runc": &p.Runc} {
		if *to = lookUp(name); *to == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return p, fmt.Errorf("%s not found: apt-get install containerd runc", strings.Join(missing, ", "))
	}
	return p, nil
}

func lookUp(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	for dir := range strings.SplitSeq(searchPath, ":") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	return ""
}

// maxSocket is how long the path of a socket may be: 108 bytes with the zero.
const maxSocket = 107

func socketIn(run string) string { return filepath.Join(run, "containerd.sock") }

// shortRun returns run or, if the paths of sockets in run would be too long, a
// shorter directory that is always the same for run. containerd makes a second
// socket, for ttrpc.
func shortRun(run string) string {
	if len(socketIn(run)+".ttrpc") <= maxSocket {
		return run
	}
	return fmt.Sprintf("/run/skylift-%x", sha256.Sum256([]byte(run)))[:len("/run/skylift-")+16]
}

func (d *Containerd) configPath() string { return filepath.Join(d.root, "config.toml") }
func (d *Containerd) logPath() string    { return filepath.Join(d.root, "containerd.log") }

// disabled are the plugins that tasks don't need, under the names of 1.6 to 2.x;
// a name that a containerd doesn't know disables nothing. 1.6 has no tasks without
// io.containerd.runtime.v1.linux.
func disabled() []string {
	return []string{
		"io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri-sandboxes",
		"io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.restart",
		"io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp", "io.containerd.monitor.v1.cgroups", "io.containerd.monitor.task.v1.cgroups",
		"io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper",
		"io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs", "io.containerd.differ.v1.erofs",
	}
}

// config is the configuration in version 2 of its format, which 1.6 and 2.x read.
func (d *Containerd) config() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Written by Skylift at each start.\nversion = 2\nroot = %s\nstate = %s\noom_score = -999\n",
		strconv.Quote(filepath.Join(d.root, "root")), strconv.Quote(d.StateDir()))
	fmt.Fprint(&b, "disabled_plugins = [")
	for _, name := range disabled() {
		fmt.Fprintf(&b, "\n  %q,", name)
	}
	fmt.Fprintf(&b, "\n]\n\n[grpc]\n  address = %s\n  uid = 0\n  gid = 0\n\n[debug]\n  level = \"warn\"\n", strconv.Quote(d.Address()))
	return b.Bytes()
}

// writeConfig puts the configuration in place at once, unless it is there. On a
// full disk an older one will do.
func (d *Containerd) writeConfig() error {
	old, err := os.ReadFile(d.configPath())
	if err == nil && bytes.Equal(old, d.config()) {
		return nil
	}
	if failed := d.replaceConfig(); err != nil || !errors.Is(failed, unix.ENOSPC) {
		return failed
	}
	d.log.Warn("the disk is full: containerd's configuration stays as an older release wrote it")
	return nil
}

func (d *Containerd) replaceConfig() error {
	temp := d.configPath() + ".new"
	if err := os.WriteFile(temp, d.config(), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, d.configPath())
}

// maxLog is how large the log gets before it begins anew; one older one is kept.
const maxLog = 10 << 20

// rotateLog copies the log away and empties it: containerd has it open, and appends.
func (d *Containerd) rotateLog() {
	info, err := os.Stat(d.logPath())
	if err != nil || info.Size() < maxLog {
		return
	}
	if err := copyFile(d.logPath(), d.logPath()+".1"); err != nil {
		d.log.Warn("containerd's log can't be copied away, and is emptied", "err", err)
	}
	if err := os.Truncate(d.logPath(), 0); err != nil {
		d.log.Warn("containerd's log can't be emptied", "err", err)
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
