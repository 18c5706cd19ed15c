package vpc

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/acl"
	"github.com/skylift/skylift/internal/vpc/firewall/program"
	"github.com/skylift/skylift/internal/vpc/firewall/route"
	"github.com/skylift/skylift/internal/vpc/firewall/traffic"
	"github.com/skylift/skylift/internal/vpc/kernel"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// TestKernelAgreesWithPaths holds the kernel to the pure function, over random VPCs.
func TestKernelAgreesWithPaths(t *testing.T) {
	t.Parallel()
	n := newTown(t)
	check(t, netlink.RouteAdd(&netlink.Route{Dst: kernel.NetOf(n.pool), Gw: n.its.AsSlice()}))
	for i, addr := range []netip.Addr{n.addr(10), n.addr(11), n.addr(70), n.addr(71), n.addr(130), n.inB(10), n.inB(11)} {
		n.put(fmt.Sprint("eni-", i), addr, netip.Addr{})
	}
	first := *n
	for seed := range uint64(12) {
		r := mathrand.New(mathrand.NewPCG(seed, 7))
		n.randomize(r, first)
		rs := n.ruleset()
		n.apply(rs)
		full := *rs
		full.CIDR, full.Pool = n.cidr, []netip.Prefix{n.pool}
		var wg sync.WaitGroup
		for range 40 {
			from := n.members[r.IntN(len(n.members))]
			src, space := n.addrs[from], n.tasks[from]
			to := n.members[r.IntN(len(n.members))]
			dst := n.addrs[to]
			if p := n.publics[to]; p.IsValid() && r.IntN(3) == 0 {
				dst = p
			}
			switch r.IntN(4) {
			case 0:
				from, src, space = "outside", n.its, n.out
			case 1:
				dst = n.its
			}
			if src == n.its && dst == n.its {
				continue
			}
			f := Flow{Protocol: []int{firewall.TCP, firewall.UDP, firewall.ICMP}[r.IntN(3)], Src: src, Dst: dst, SrcPort: 40000, DstPort: 7000}
			if f.Protocol == firewall.ICMP {
				f.DstPort = 8 << 8
			}
			want, back := full.Check(f), full.Answers(f)
			if n.pool.Contains(dst) && !n.published(n.addrs[to]) {
				want = Verdict{} // nobody is there
			}
			wg.Go(func() {
				at, passes := netip.AddrPortFrom(dst, 7000), want.Admitted && back.Admitted
				got := space.reaches(f.Protocol, src, at) || passes && space.reaches(f.Protocol, src, at) // a busy machine is late
				if got != passes {
					t.Errorf("seed %d: %s: %+v passes: %t, want %+v, and back %+v\n%+v", seed, from, f, got, want, back, rs)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}

// randomize makes another town of the first one.
func (n *town) randomize(r *mathrand.Rand, first town) {
	maybe := func() bool { return r.IntN(2) == 0 }
	n.aByMachine, n.pairs, n.acls = maybe(), nil, nil
	if maybe() {
		n.pairs = []route.Pair{{ID: "pcx", A: "a", B: "b"}}
	}
	hops := []route.Hop{
		{To: anywhere, Kind: route.Internet, ID: "igw"},
		{To: anywhere, Kind: route.NAT, ID: "nat"},
		{To: anywhere, Kind: route.Nowhere},
		{To: netip.PrefixFrom(n.its, 24).Masked(), Kind: route.Internet, ID: "igw"},
		{To: netip.PrefixFrom(n.its, 32), Kind: route.Nowhere},
		{To: n.cidr, Kind: route.Peering, ID: "pcx"},
		{To: n.b, Kind: route.Peering, ID: "pcx"},
		{To: netip.PrefixFrom(n.inB(10), 32), Kind: route.Peering, ID: "pcx"},
		{To: netip.PrefixFrom(n.b.Addr(), 8).Masked(), Kind: route.Peering, ID: "pcx"},
	}
	for _, name := range []string{"public", "private", "isolated", "b"} {
		s := *first.subnets[name]
		s.Hops, s.ACL = s.Hops[:1:1], ""
		taken := map[netip.Prefix]bool{s.Hops[0].To: true}
		for range r.IntN(4) {
			if h := hops[r.IntN(len(hops))]; !taken[h.To] {
				taken[h.To] = true
				s.Hops = append(s.Hops, h)
			}
		}
		if r.IntN(3) == 0 {
			s.ACL = "acl-" + name
			n.acls = append(n.acls, acl.ACL{ID: s.ACL, Ingress: randomEntries(r), Egress: randomEntries(r)})
		}
		n.subnets[name] = &s
	}
	names := []string{"sg-1", "sg-2"}
	n.rules = []Group{open("sg")}
	for _, id := range names {
		n.rules = append(n.rules, Group{ID: id, Ingress: n.randomRules(r, names), Egress: append(n.randomRules(r, names), all)})
	}
	for i, id := range n.members {
		n.publics[id], n.groups[id] = netip.Addr{}, []string{"sg"}
		if maybe() {
			n.publics[id] = n.at(byte(10 + i))
		}
		if r.IntN(3) == 0 {
			n.groups[id] = []string{names[r.IntN(2)]}
		}
	}
}

// published says that the subnet of an address has an internet gateway.
func (n *town) published(addr netip.Addr) bool {
	for _, s := range n.subnets {
		if s.Range.Contains(addr) {
			return slices.ContainsFunc(s.Hops, func(h route.Hop) bool { return h.Kind == route.Internet })
		}
	}
	return false
}

func randomEntries(r *mathrand.Rand) (all []acl.Entry) {
	for i := range 1 + r.IntN(4) {
		e := acl.Entry{Number: 10 + i, Allow: r.IntN(4) > 0, CIDR: anywhere, Kind: traffic.Kind{Protocol: []int{-1, 6, 17, 1}[r.IntN(4)], From: -1, To: -1}}
		if e.Kind.Protocol == 6 || e.Kind.Protocol == 17 {
			ports := [][2]int{{7000, 7000}, {32768, 60999}, {1024, 65535}}[r.IntN(3)]
			e.Kind.From, e.Kind.To = ports[0], ports[1]
		}
		if r.IntN(4) == 0 {
			e.CIDR = netip.MustParsePrefix("10.0.0.0/8")
		}
		all = append(all, e)
	}
	return all
}

// BenchmarkInForce is the time until a task that comes or goes is known to the kernel, among 1,000 interfaces in 5 VPCs
// that are all peered, with 60 rules in each of 50 groups, 2 of which each interface is in.
func BenchmarkInForce(b *testing.B) {
	w := newWorld(b)
	second := w.cidr.Addr().As4()[1]
	rs := &Ruleset{CIDR: w.cidr}
	vpcOf := func(i int) netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, byte(32 * i), 0}), 19)
	}
	for i := range 5 {
		id := fmt.Sprint("vpc-", i)
		hops := []route.Hop{{To: vpcOf(i), Kind: route.Local}, {To: anywhere, Kind: route.NAT, ID: "nat"}}
		for j := range 5 {
			if pair := fmt.Sprint("pcx-", min(i, j), max(i, j)); i != j {
				rs.Net.Pairs = append(rs.Net.Pairs, route.Pair{ID: pair, A: id, B: fmt.Sprint("vpc-", j)})
				hops = append(hops, route.Hop{To: vpcOf(j), Kind: route.Peering, ID: pair})
			}
		}
		rs.Net.VPCs = append(rs.Net.VPCs, route.VPC{ID: id, Ranges: []netip.Prefix{vpcOf(i)}})
		rs.Net.Subnets = append(rs.Net.Subnets, route.Subnet{ID: id, VPC: id, Range: vpcOf(i), Hops: hops, ACL: "acl"})
	}
	rs.Net.ACLs = []acl.ACL{{ID: "acl", Ingress: []acl.Entry{{Number: 1, Allow: true, Kind: traffic.Kind{Protocol: 6, From: 0, To: 65535}, CIDR: anywhere}}}}
	const groups, members = 50, 1000
	for g := range groups {
		sg := Group{ID: fmt.Sprintf("sg-%017d", g), Egress: []Rule{all}}
		for port := range 60 {
			sg.Ingress = append(sg.Ingress, tcp(8000+port, vpcOf(0)))
		}
		rs.Groups = append(rs.Groups, sg)
	}
	for m := range members {
		base := vpcOf(m % 5).Addr().As4()
		rs.Members = append(rs.Members, Member{
			ID: fmt.Sprintf("eni-%017d", m), Addr: netip.AddrFrom4([4]byte{10, second, base[2] + byte(m/5/250), byte(1 + m/5%250)}),
			Groups: []string{rs.Groups[m%groups].ID, rs.Groups[(m*7+1)%groups].ID},
		})
	}
	fewer := *rs
	fewer.Members = rs.Members[1:]
	check(b, rs.Validate())
	check(b, w.write(rs))
	last := w.program
	for n := 0; b.Loop(); n++ {
		p := program.Compile([]*Ruleset{&fewer, rs}[n%2], w.own.Prefix())
		check(b, nft.Update(w.own.Table(), last, p))
		last = p
	}
}
