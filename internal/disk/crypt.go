package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ciphers are how the kernel's names of mappings begin that encrypt what is
// written, as cryptsetup gives them. A mapping may also only check what is read
// (CRYPT-VERITY, CRYPT-INTEGRITY).
var ciphers = []string{"CRYPT-LUKS", "CRYPT-PLAIN-", "CRYPT-TCRYPT-", "CRYPT-BITLK-", "CRYPT-FVAULT2-", "CRYPT-LOOPAES-"}

// Encrypted says whether a directory is seen to be on an encrypted block device
// (dm-crypt), also with partitions, LVM or RAID between. What the hardware or a
// cloud encrypts isn't seen.
func Encrypted(dir string) (bool, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		return false, fmt.Errorf("look at %s: %w", dir, err)
	}
	dev := st.Dev //nolint:unconvert // not 64 bits everywhere
	return encrypted("/sys/dev/block", fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev)))
}

// encrypted is Encrypted for a device's numbers, with the directory that sysfs
// has block devices in.
func encrypted(sys, device string) (bool, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(sys, device))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // no block device: a file system in memory, say
	}
	if err != nil {
		return false, fmt.Errorf("look at device %s: %w", device, err)
	}
	return below(path)
}

// below says whether all that a device is made of is encrypted.
func below(device string) (bool, error) {
	name, err := os.ReadFile(filepath.Join(device, "dm", "uuid"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read what %s maps: %w", device, err)
	}
	if slices.ContainsFunc(ciphers, func(c string) bool { return strings.HasPrefix(string(name), c) }) {
		return true, nil
	}
	if _, err := os.Stat(filepath.Join(device, "partition")); err == nil {
		return below(filepath.Dir(device))
	}
	parts, err := os.ReadDir(filepath.Join(device, "slaves"))
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(parts) == 0 {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read what %s is made of: %w", device, err)
	}
	for _, p := range parts {
		path, err := filepath.EvalSymlinks(filepath.Join(device, "slaves", p.Name()))
		if err != nil {
			return false, fmt.Errorf("read what %s is made of: %w", device, err)
		}
		if is, err := below(path); err != nil || !is {
			return false, err
		}
	}
	return true, nil
}
