// Package vpc gives tasks and load balancers network interfaces of their own,
// between which nothing passes that a security group doesn't admit.
//
// A task's interface is a veth pair with a /32 address: all its traffic is
// routed through the host, where one nftables table per instance judges it
// twice, by the egress rules of the source's groups and by the ingress rules of
// the destination's. What isn't in the Ruleset is dropped; a task sends from no
// address but its own; what is revoked is cut, also in the middle of a flow. Of
// what is outside the VPC a task reaches what lies beyond this machine, and of
// the machine and the networks inside it only what is opened on purpose.
//
// All state is in the kernel and carries the instance's id, so that another
// process finds it again (List) or removes it (Purge). Nothing else on the host
// is touched: traffic that involves no interface, address or front of the
// instance is never judged.
package vpc

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/program"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/nft"
	"github.com/skylift/skylift/internal/vpc/owner"
	"github.com/skylift/skylift/internal/vpc/uplinks"
)

// Config is what Open needs to know.
type Config struct {
	Instance string       // unique id of this Skylift instance, hexadecimal
	CIDR     netip.Prefix // the first range; a Ruleset, or Claim, adds others
	// HostAccess are the ports of this machine that tasks reach, at Router and at
	// its other addresses, as far as their egress rules let them.
	HostAccess []Ports
	// Uplinks are interfaces that lead beyond this machine, besides those that
	// are found to. They need not be there yet.
	Uplinks []string
	// Resolvers are those that tasks may have which run already. Port 53 of a
	// task's resolver is open to tasks wherever it is.
	Resolvers []netip.Addr
	// Public is where public addresses come from. This machine has them, or they are routed to it; those on
	// loopback only this machine reaches.
	Public []netip.Prefix
	Log    *slog.Logger
}

// VPC is the network of one instance on this host. Its methods may be called
// at the same time.
type VPC struct {
	own  owner.Owner
	cidr netip.Prefix
	log  *slog.Logger

	hostAccess []Ports
	named      []string // uplinks

	public []netip.Prefix

	claims sync.Mutex                 // guards what follows
	held   map[netip.Prefix]time.Time // ranges that are the instance's; until when a claim needs no VPC

	links sync.Mutex // one change of interfaces at a time

	firewall sync.Mutex // guards what follows
	services []firewall.Service
	ways     firewall.Ways
	looked   bool // at the flows that were there before this process
	applied  *Ruleset
	program  *nft.Program // what applied became in the kernel
	seal     nft.Seal     // whether it is still that
}

// Interface is a task's network interface.
type Interface struct {
	ID    string // eni-…
	Addr  netip.Addr
	MAC   net.HardwareAddr // nil: the kernel's choice
	NetNS string           // path of the network namespace
	// Resolvers are those that the task asks for names.
	Resolvers []netip.Addr
}

// Attached is an interface that exists on the host. Addr is invalid when an
// attach was interrupted; attaching again repairs it.
type Attached struct {
	ID   string
	Addr netip.Addr
	Host bool // made by AttachHost
}

// Open takes the range into use: it checks that nothing else on the host uses
// it, and lets the host forward packets. A firewall that an earlier process of
// the same instance has left stays in force until Apply; otherwise nothing is
// admitted yet.
func Open(ctx context.Context, c Config) (*VPC, error) {
	own, err := owner.Of(c.Instance)
	if err != nil {
		return nil, err
	}
	if !c.CIDR.IsValid() || !c.CIDR.Addr().Is4() || c.CIDR != c.CIDR.Masked() || c.CIDR.Bits() < 8 || c.CIDR.Bits() > 28 {
		return nil, fmt.Errorf("address range %s is not an IPv4 network of /8 to /28: choose another with --vpc-cidr", c.CIDR)
	}
	if err := kernel.Capable(); err != nil {
		return nil, err
	}
	v := &VPC{own: own, cidr: c.CIDR, log: c.Log, hostAccess: c.HostAccess, named: c.Uplinks, public: c.Public}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
	if err := v.openClaims(); err != nil {
		return nil, err
	}
	if err := forwarding(); err != nil {
		return nil, err
	}
	if err := v.openWays(c.Resolvers); err != nil {
		return nil, err
	}
	if err := v.openFirewall(); err != nil {
		return nil, err
	}
	if err := accepts.Put(own.Accepts(), v.hostAccess); err != nil {
		return nil, err
	}
	return v, ctx.Err()
}

// CIDR is the range that Open was given.
func (v *VPC) CIDR() netip.Prefix { return v.cidr }

// openFirewall makes the table where there is none: it admits nothing.
func (v *VPC) openFirewall() error {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	found, err := nft.Exists(v.own.Table())
	if err != nil || found {
		return err
	}
	return v.write(&Ruleset{CIDR: v.cidr, Ways: v.ways, Pool: v.public})
}

// Apply makes the kernel enforce rs, in one transaction, and then cuts the
// flows under way that rs doesn't admit. It returns those, also with an error:
// neither of their ends is told.
func (v *VPC) Apply(ctx context.Context, rs *Ruleset) ([]Flow, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	full := *rs
	if !full.CIDR.IsValid() {
		full.CIDR = v.cidr
	}
	if full.CIDR != v.cidr {
		return nil, fmt.Errorf("ruleset for %s, this VPC is %s", full.CIDR, v.cidr)
	}
	full.Pool = v.public
	if err := full.Validate(); err != nil {
		return nil, err
	}
	v.keepClaims(full.Network().Ranges())
	v.firewall.Lock()
	defer v.firewall.Unlock()
	full.Services, full.Ways = v.services, v.ways
	if err := v.write(&full); err != nil {
		return nil, err
	}
	return v.cut(&full)
}

// cut cuts what the rules in force don't admit. Once per process it also looks
// where flows lead that were there before it.
func (v *VPC) cut(rs *Ruleset) ([]Flow, error) {
	gone, err := cutFlows(rs, v.own.Prefix(), !v.looked)
	v.looked = v.looked || err == nil
	return gone, err
}

// sealTries is how often write begins again when somebody else writes to
// nftables in the same moment, so that nobody can tell whose the rules are, and
// writeTries how often when the table was read wrong for that.
const (
	sealTries  = 5
	writeTries = 20
)

// write makes the table enforce rs: by the difference, where the table is known
// to be as we left it, else anew. It seals what it wrote at once: other
// instances, and Docker, write too, and each of their writes before that would
// make this one look like somebody else's.
func (v *VPC) write(rs *Ruleset) error {
	p, name := program.Compile(rs, v.own.Prefix()), v.own.Table()
	for written, failed := 0, 0; written < sealTries; {
		known, err := v.seal.Intact(name)
		if err != nil {
			return err
		}
		before, err := nft.Generation()
		if err != nil {
			return err
		}
		if !known || nft.Update(name, v.program, p) != nil {
			// What others write while the table is read makes the reading wrong, and the kernel refuses it whole.
			if err := nft.Rewrite(name, p); err != nil {
				if failed++; failed == writeTries {
					return err
				}
				time.Sleep(rand.N(10 * time.Millisecond)) // so that two that write at once part
				continue
			}
		}
		written++
		v.applied, v.program = rs, p
		if v.seal, err = nft.Sealed(name, before); err != nil || v.seal.Rules != nil {
			return err
		}
	}
	return nil // it is in force, and Run looks again
}

// How often Run looks. Reading the firewall's generation is one system call;
// asking iptables starts a process.
const (
	lookEvery   = time.Second
	dockerEvery = 5 * time.Second
)

// Run keeps true what Open and Apply made: it puts the firewall back when
// somebody flushed it, and the accepts in Docker's chain when Docker or somebody
// else removed them. It follows which interfaces lead beyond this machine.
func (v *VPC) Run(ctx context.Context) error {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var watch uplinks.Watch
	defer watch.Drain()
	var asked time.Time
	told := make(map[program.Refusal]bool)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u, ok := <-watch.Links:
			watch.Link(u, ok)
		case u, ok := <-watch.Routes:
			watch.Route(u, ok)
		case now := <-look.C:
			if err := watch.Look(ctx, v.lookForUplinks); err != nil {
				v.log.Error("the interfaces that lead beyond this machine are not known", "err", err)
			}
			changed, err := v.repairFirewall()
			if err != nil {
				v.log.Error("firewall not repaired", "err", err)
			}
			if !changed && now.Sub(asked) < dockerEvery {
				continue
			}
			asked = now
			v.repairClaims()
			if err := v.tellRefused(told); err != nil {
				v.log.Error("what tasks were refused is not known", "err", err)
			}
			if err := accepts.Put(v.own.Accepts(), v.hostAccess); err != nil {
				v.log.Error("accepts for Docker's filter not repaired", "err", err)
			}
		}
	}
}

// repairFirewall writes the table again when it isn't as we left it. It also
// says whether anything in the host's nftables has changed since the last time.
func (v *VPC) repairFirewall() (changed bool, err error) {
	v.firewall.Lock()
	defer v.firewall.Unlock()
	if v.applied == nil { // what an earlier process left is in force, if it is there
		found, err := nft.Exists(v.own.Table())
		if err != nil || found {
			return false, err
		}
		return true, v.write(&Ruleset{CIDR: v.cidr, Services: v.services, Ways: v.ways, Pool: v.public})
	}
	before := v.seal.Generation
	intact, err := v.seal.Intact(v.own.Table())
	if err != nil {
		return false, err
	}
	if intact {
		return v.seal.Generation != before, nil
	}
	v.log.Warn("the firewall may have been changed by somebody else: writing it again", "table", v.own.Table())
	if err := v.write(v.applied); err != nil {
		return true, err
	}
	v.looked = false // what began meanwhile was judged by nobody
	_, err = v.cut(v.applied)
	return true, err
}
