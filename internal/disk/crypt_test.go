package disk

import (
	"os"
	"path/filepath"
	"testing"
)

// sysfs is a tree as the kernel shows block devices in.
type sysfs struct {
	t    *testing.T
	root string
}

// device makes a block device at a path, with its numbers and, if it is a
// mapping, that one's name, made of others.
func (s sysfs) device(path, numbers, uuid string, slaves ...string) {
	s.t.Helper()
	dir := filepath.Join(s.root, "devices", path)
	s.dir(filepath.Join(dir, "slaves"))
	s.dir(filepath.Join(s.root, "dev/block"))
	s.link(dir, filepath.Join(s.root, "dev/block", numbers))
	if uuid != "" {
		s.dir(filepath.Join(dir, "dm"))
		s.file(filepath.Join(dir, "dm/uuid"), uuid+"\n")
	}
	for _, of := range slaves {
		s.link(filepath.Join(s.root, "devices", of), filepath.Join(dir, "slaves", filepath.Base(of)))
	}
}

// partition makes a partition of a disk.
func (s sysfs) partition(disk, name, numbers string) {
	s.t.Helper()
	s.device(filepath.Join(disk, name), numbers, "")
	s.file(filepath.Join(s.root, "devices", disk, name, "partition"), "1\n")
}

func (s sysfs) dir(path string) {
	s.t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		s.t.Fatal(err)
	}
}

func (s sysfs) file(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s sysfs) link(to, at string) {
	s.t.Helper()
	if err := os.Symlink(to, at); err != nil {
		s.t.Fatal(err)
	}
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	s := sysfs{t, t.TempDir()}
	s.device("pci/sda", "8:0", "")
	s.partition("pci/sda", "sda1", "8:1")
	s.partition("pci/sda", "sda2", "8:2")
	s.device("pci/sdb", "8:16", "")
	s.device("virtual/dm-0", "253:0", "CRYPT-LUKS2-0123-luks", "pci/sda/sda2")
	s.device("virtual/dm-1", "253:1", "LVM-abc", "virtual/dm-0")
	s.device("virtual/dm-2", "253:2", "LVM-def", "virtual/dm-0", "pci/sdb") // half of it on a plain disk
	s.device("virtual/dm-3", "253:3", "CRYPT-VERITY-abc-root", "pci/sda/sda1")
	s.device("virtual/dm-4", "253:4", "CRYPT-PLAIN-swap", "pci/sdb")
	s.device("virtual/md0", "9:0", "", "virtual/dm-0", "virtual/dm-4")
	s.partition("virtual/md0", "md0p1", "259:0")
	s.device("virtual/dm-5", "253:5", "CRYPT-INTEGRITY-x", "virtual/dm-0")
	for device, want := range map[string]bool{
		"8:0": false, "8:1": false, "8:2": false, // below the encryption
		"253:0": true, "253:1": true, "253:2": false, "253:3": false, "253:4": true, "9:0": true, "259:0": true, "253:5": true,
		"0:37": false, // tmpfs
	} {
		if got, err := encrypted(filepath.Join(s.root, "dev/block"), device); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", device, got, err, want)
		}
	}
}

func TestEncryptedDirectory(t *testing.T) {
	t.Parallel()
	if _, err := Encrypted(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that isn't there")
	}
	if _, err := Encrypted(t.TempDir()); err != nil {
		t.Error(err)
	}
}
