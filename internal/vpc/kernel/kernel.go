// Package kernel asks the kernel what all of vpc asks it: its interfaces, its
// addresses, and again when an answer was interrupted.
package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// AliasPrefix begins the label of each interface of any instance.
const AliasPrefix = "skylift/"

// Retry runs f again while it says that the kernel's answer was interrupted.
func Retry(interrupted error, f func() error) error {
	var err error
	for range 20 { // many instances at once change what is listed
		if err = f(); !errors.Is(err, interrupted) {
			return err
		}
	}
	return err
}

// Links returns all interfaces of the host.
func Links() (links []netlink.Link, err error) {
	err = Retry(netlink.ErrDumpInterrupted, func() error {
		links, err = netlink.LinkList()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return links, nil
}

// AddressesOn returns the IPv4 addresses of an interface, which is where h is.
func AddressesOn(h *netlink.Handle, link netlink.Link) (addrs []netlink.Addr, err error) {
	err = Retry(netlink.ErrDumpInterrupted, func() error {
		addrs, err = h.AddrList(link, netlink.FAMILY_V4)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses of %s: %w", link.Attrs().Name, err)
	}
	return addrs, nil
}

// Addresses is every address of the host.
func Addresses() (map[netip.Addr]bool, error) {
	var addrs []netlink.Addr
	err := Retry(netlink.ErrDumpInterrupted, func() (err error) {
		addrs, err = netlink.AddrList(nil, netlink.FAMILY_ALL)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	local := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		local[PrefixOf(a.IPNet).Addr()] = true
	}
	return local, nil
}

// Attributes splits one level of netlink attributes; what is malformed ends it.
func Attributes(b []byte) map[uint16][]byte {
	all := make(map[uint16][]byte)
	for len(b) >= unix.NLA_HDRLEN {
		size := int(binary.NativeEndian.Uint16(b))
		kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if size < unix.NLA_HDRLEN || size > len(b) {
			break
		}
		all[kind] = b[unix.NLA_HDRLEN:size]
		b = b[min(len(b), (size+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
	}
	return all
}

// NetOf is a range as netlink has it.
func NetOf(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// PrefixOf is invalid for a nil network, which stands for "default".
func PrefixOf(n *net.IPNet) netip.Prefix {
	if n == nil {
		return netip.Prefix{}
	}
	addr, _ := netip.AddrFromSlice(n.IP)
	ones, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), ones)
}

// Capable says what this process lacks, and how to mend it.
func Capable() error {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return fmt.Errorf("read own capabilities: %w", err)
	}
	const netAdmin, sysAdmin = 1 << 12, 1 << 21
	for line := range strings.Lines(string(status)) {
		hex, ok := strings.CutPrefix(line, "CapEff:")
		if !ok {
			continue
		}
		caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
		if err != nil {
			return fmt.Errorf("read own capabilities: %w", err)
		}
		if caps&netAdmin != 0 && caps&sysAdmin != 0 {
			return nil
		}
	}
	return errors.New("making network interfaces needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN): run Skylift with sudo")
}

// Within runs f on a thread that is in the namespace.
func Within(ns netns.NsHandle, f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := netns.Set(ns); err != nil {
			done <- fmt.Errorf("enter network namespace: %w", err)
			return
		}
		done <- f()
	}()
	return <-done
}

// SetSysctl writes a key of the calling thread's network namespace.
func SetSysctl(key, value string) error {
	if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0); err != nil {
		return fmt.Errorf("set sysctl: %w", err)
	}
	return nil
}
