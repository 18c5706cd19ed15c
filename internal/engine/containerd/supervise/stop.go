package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Stop ends the containerd, once Run has returned, and what its shims have left:
// they, their containers' processes, and mounts below its directories. Files stay.
// It may be called again. Errors: what could not be ended; ctx's.
func (d *Containerd) Stop(ctx context.Context) error {
	lock, err := d.lock()
	if err != nil {
		return fmt.Errorf("stop containerd: %w", err)
	}
	defer lock.Close()
	p, err := d.find()
	if err != nil {
		return fmt.Errorf("stop containerd: %w", err)
	}
	if p.alive() {
		_ = unix.Kill(p.pid, unix.SIGCONT) // gone: end tells
		if err := end(ctx, []process{p}, unix.SIGTERM, 10*time.Second); err != nil {
			return fmt.Errorf("stop containerd: %w", err)
		}
	}
	if err := d.endShims(ctx); err != nil {
		return fmt.Errorf("stop containerd's shims: %w", err)
	}
	for _, dir := range []string{d.run, d.root} {
		if err := unmountBelow(dir); err != nil {
			return fmt.Errorf("unmount what containerd left: %w", err)
		}
	}
	for _, hierarchy := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"} {
		_ = os.Remove(filepath.Join(hierarchy, group)) // others may be in it
	}
	return nil
}

// endShims kills the shims, and the containers that they are the parents of.
func (d *Containerd) endShims(ctx context.Context) error {
	shims, err := d.shims()
	if err != nil || len(shims) == 0 {
		return err
	}
	children, err := childrenOf(shims)
	if err != nil {
		return err
	}
	// The shims first: they would tell a containerd that isn't there.
	return end(ctx, append(shims, children...), unix.SIGKILL, 0)
}

func childrenOf(parents []process) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var found []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		_, parent, start, ok := stat(pid)
		if ok && slices.ContainsFunc(parents, func(p process) bool { return strconv.Itoa(p.pid) == parent }) {
			found = append(found, process{pid, start})
		}
	}
	return found, nil
}

// end sends sig, and SIGKILL to those that are there after grace, and waits.
func end(ctx context.Context, all []process, sig unix.Signal, grace time.Duration) error {
	hard := time.Now().Add(grace)
	for sent := false; ; sent = true {
		living := slices.DeleteFunc(slices.Clone(all), func(p process) bool { return !p.alive() })
		if len(living) == 0 {
			return nil
		}
		for _, p := range living {
			if !sent {
				_ = unix.Kill(p.pid, sig) // the next look tells
			} else if time.Now().After(hard) {
				_ = unix.Kill(p.pid, unix.SIGKILL)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d processes live, as %d: %w", len(living), living[0].pid, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// unmountBelow unmounts what is mounted below dir, the last first.
func unmountBelow(dir string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	defer f.Close()
	var points []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // an overlay of many layers has a long line
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 {
			if point := unescape(fields[4]); strings.HasPrefix(point, dir+"/") {
				points = append(points, point)
			}
		}
	}
	errs := []error{lines.Err()}
	for _, point := range slices.Backward(points) {
		if err := unix.Unmount(point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", point, err))
		}
	}
	return errors.Join(errs...)
}

// unescape undoes what the kernel does to spaces in paths.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
