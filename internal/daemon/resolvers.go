package daemon

import (
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// hostsOwn are the files that Docker reads the resolvers of tasks from, where it
// isn't told others: the host's, and those behind systemd's on loopback.
var hostsOwn = []string{"/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"}

// ofTask is the file that a task's containers have, from the path of its network
// namespace. It is to be read before they start, for they may write it.
func ofTask(netns string) string {
	return filepath.Join(strings.TrimSuffix(netns, "/ns/net"), "root/etc/resolv.conf")
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
