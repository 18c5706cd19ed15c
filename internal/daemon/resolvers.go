package daemon

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// hostsOwn are the files that engines take the resolvers of tasks from, unless
// they are told others: the host's own, and those that systemd's resolver on
// loopback asks.
var hostsOwn = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// ofTask returns the file that a task's containers have, given the path of its
// network namespace: that of a process, or one with the task's name. It must be
// read before they start, because they may write it.
func ofTask(e Engine, netns string) string {
	if process, ok := strings.CutSuffix(netns, "/ns/net"); ok {
		return filepath.Join(process, "root/etc/resolv.conf")
	}
	if is, ok := e.(interface{ ResolvConf(task string) string }); ok {
		return is.ResolvConf(filepath.Base(netns))
	}
	return "" // it names none then
}

// longestResolvConf bounds, in bytes, what is read of a file that a task may have
// written: a task that is taken up after a crash runs already.
const longestResolvConf = 64 << 10

// head reads the beginning of a file.
func head(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, longestResolvConf))
}

// resolvers are those that the files name; what can't be read names none.
func resolvers(files ...string) []netip.Addr {
	var all []netip.Addr
	for _, f := range files {
		text, err := head(f)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "nameserver" {
				continue
			}
			if addr, err := netip.ParseAddr(fields[1]); err == nil {
				all = append(all, addr)
			}
		}
	}
	return all
}
