package vpc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/owner"
)

// inside is what a task's interface is called in its namespace.
const inside = "eth0"

// Attach gives the namespace an interface: eth0 with the address, and a way to
// everywhere through the host. An interface that is there already is kept, and
// what is missing of it is made; one that leads to another namespace is
// replaced. Until Apply knows the interface, nothing passes.
func (v *VPC) Attach(ctx context.Context, i Interface) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := v.attachable(i.ID, i.Addr); err != nil {
		return err
	}
	if err := v.resolve(i.Resolvers); err != nil {
		return err
	}
	v.links.Lock()
	defer v.links.Unlock()
	if err := v.attach(i); err != nil {
		return fmt.Errorf("attach %s: %w", i.ID, err)
	}
	return nil
}

func (v *VPC) attachable(id string, addr netip.Addr) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("attach %q: not an interface id", id)
	}
	if all := v.ranges(); !slices.ContainsFunc(all, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return fmt.Errorf("attach %s: address %s is outside %s", id, addr, all)
	}
	return nil
}

func (v *VPC) attach(i Interface) error {
	ns, err := netns.GetFromPath(i.NetNS)
	if err != nil {
		return fmt.Errorf("open network namespace %s: %w", i.NetNS, err)
	}
	defer ns.Close()
	task, err := netlink.NewHandleAt(ns)
	if err != nil {
		return fmt.Errorf("enter network namespace %s: %w", i.NetNS, err)
	}
	defer task.Close()

	if err := v.ensureVeth(i, ns, task); err != nil {
		return err
	}
	host, peer, err := v.ends(i.ID, task)
	if err != nil {
		return err
	}
	if err := configureTask(task, ns, peer, host.Attrs().HardwareAddr, i); err != nil {
		return err
	}
	if peer, err = task.LinkByIndex(peer.Attrs().Index); err != nil {
		return fmt.Errorf("read %s: %w", inside, err)
	}
	if err := v.configureHost(host, peer.Attrs().HardwareAddr, i.ID, i.Addr); err != nil {
		return err
	}
	return errors.Join(settle(&netlink.Handle{}, host), settle(task, peer))
}

// settle waits until the kernel has noticed that a link has its other end: until
// then it drops what is sent, and a task's first connection would take a second
// longer.
func settle(h *netlink.Handle, link netlink.Link) error {
	const every, most = 2 * time.Millisecond, 2 * time.Second
	for range most / every {
		now, err := h.LinkByIndex(link.Attrs().Index)
		if err != nil {
			return fmt.Errorf("read %s: %w", link.Attrs().Name, err)
		}
		if now.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(every)
	}
	return fmt.Errorf("%s doesn't come up", link.Attrs().Name)
}

// ensureVeth makes the pair, unless a pair between the host and this very
// namespace is there.
func (v *VPC) ensureVeth(i Interface, ns netns.NsHandle, task *netlink.Handle) error {
	host, err := v.find(i.ID)
	if err != nil {
		return err
	}
	if host != nil {
		if paired(host, ns, task) {
			return nil
		}
		if err := netlink.LinkDel(host); err != nil {
			return fmt.Errorf("remove stale %s: %w", host.Attrs().Name, err)
		}
	}
	if err := cutAddress(i.Addr); err != nil { // of whoever had the address before
		return err
	}
	mtu := defaultMTU()
	veth := &netlink.Veth{
		LinkAttrs:        netlink.LinkAttrs{Name: v.own.Link(i.ID), MTU: mtu, TxQLen: -1},
		PeerName:         inside,
		PeerMTU:          uint32(mtu),
		PeerHardwareAddr: i.MAC,
		PeerNamespace:    netlink.NsFd(ns),
	}
	if err := netlink.LinkAdd(veth); errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("network namespace %s has another %s already", i.NetNS, inside)
	} else if err != nil {
		return fmt.Errorf("make veth %s: %w", veth.Name, err)
	}
	return nil
}

// paired says whether host is one end of a pair whose other end is the
// namespace's eth0.
func paired(host netlink.Link, ns netns.NsHandle, task *netlink.Handle) bool {
	peer, err := task.LinkByName(inside)
	if err != nil || host.Type() != "veth" || peer.Type() != "veth" {
		return false
	}
	h, p := host.Attrs(), peer.Attrs()
	if h.ParentIndex != p.Index || p.ParentIndex != h.Index {
		return false
	}
	// Indexes repeat between namespaces: what the host calls the other end's
	// namespace has to be the one we are looking at.
	id, err := netlink.GetNetNsIdByFd(int(ns))
	return err == nil && id >= 0 && h.NetNsID == id
}

// ends finds both ends of a pair.
func (v *VPC) ends(id string, task *netlink.Handle) (host, peer netlink.Link, err error) {
	if host, err = netlink.LinkByName(v.own.Link(id)); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", v.own.Link(id), err)
	}
	if peer, err = task.LinkByName(inside); err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", inside, err)
	}
	return host, peer, nil
}

// AttachHost gives the host itself an address of the VPC, a balancer's, so that
// its processes can listen on it and dial from it. The kernel never chooses it
// by itself as a source.
func (v *VPC) AttachHost(ctx context.Context, id string, addr netip.Addr) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := v.attachable(id, addr); err != nil {
		return err
	}
	v.links.Lock()
	defer v.links.Unlock()
	if err := v.attachHost(id, addr); err != nil {
		return fmt.Errorf("attach %s: %w", id, err)
	}
	return nil
}

func (v *VPC) attachHost(id string, addr netip.Addr) error {
	link, err := v.find(id)
	if err != nil {
		return err
	}
	if link == nil {
		if err := cutAddress(addr); err != nil {
			return err
		}
		if link, err = kernel.AddBridge(v.own.Link(id), v.own.Alias(id)); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetAlias(link, v.own.Alias(id)); err != nil {
		return fmt.Errorf("label %s: %w", link.Attrs().Name, err)
	}
	if err := kernel.EnsureAddress(&netlink.Handle{}, link, addr, unix.RT_SCOPE_LINK); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set %s up: %w", link.Attrs().Name, err)
	}
	return nil
}

// Detach removes an interface of either kind, and what flowed through it. One
// that isn't there is removed already.
func (v *VPC) Detach(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	v.links.Lock()
	defer v.links.Unlock()
	link, err := v.find(id)
	if err != nil || link == nil {
		return err
	}
	addr, err := addressOf(link)
	if err != nil {
		return fmt.Errorf("detach %s: %w", id, err)
	}
	if err := kernel.RemoveLink(link); err != nil {
		return fmt.Errorf("detach %s: %w", id, err)
	}
	if addr.IsValid() {
		return cutAddress(addr)
	}
	return nil
}

// List is every interface of the instance that is on the host.
func (v *VPC) List(ctx context.Context) ([]Attached, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	links, err := kernel.Links()
	if err != nil {
		return nil, err
	}
	var all []Attached
	for _, l := range links {
		id, ok := v.own.ID(l.Attrs().Alias)
		if !ok || strings.HasPrefix(id, owner.ClaimID) {
			continue
		}
		addr, err := addressOf(l)
		if err != nil {
			return nil, err
		}
		all = append(all, Attached{ID: id, Addr: addr, Host: l.Type() == "bridge"})
	}
	slices.SortFunc(all, func(a, b Attached) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// find is the host's end of an interface, nil when there is none.
func (v *VPC) find(id string) (netlink.Link, error) {
	link, err := netlink.LinkByName(v.own.Link(id))
	if _, missing := errors.AsType[netlink.LinkNotFoundError](err); missing {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for interface %s: %w", id, err)
	}
	// Without a label it was made by an attach that didn't get that far.
	if a := link.Attrs().Alias; a != "" && a != v.own.Alias(id) {
		return nil, fmt.Errorf("interface %s is taken by %s", link.Attrs().Name, a)
	}
	return link, nil
}
