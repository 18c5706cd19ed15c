package addresses

import (
	"encoding/binary"
	"net/netip"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/store"
)

// Pool is the public addresses that there are to give, as IPv4 ranges in order. The first and the last address of a range
// of more than two are not given.
type Pool []netip.Prefix

// DefaultPool is where public addresses come from unless an operator says otherwise: a range for tests of networks
// (RFC 2544), which no host on the internet has.
var DefaultPool = Pool{netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, 0, 0}), 24)}

// Contains tells whether a is an address of the pool.
func (p Pool) Contains(a netip.Addr) bool {
	for _, r := range p {
		first, last := ends(r)
		if !a.Less(first) && !last.Less(a) {
			return true
		}
	}
	return false
}

// ends returns the first and the last address of r that is given.
func ends(r netip.Prefix) (first, last netip.Addr) {
	base := r.Masked().Addr().As4()
	n := binary.BigEndian.Uint32(base[:])
	low, high := n, n+1<<(32-r.Bits())-1
	if r.Bits() < 31 {
		low, high = low+1, high-1
	}
	return from(low), from(high)
}

func from(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// after returns the address that follows a in the pool: the first one behind the last, and for an address that is not in
// the pool.
func (p Pool) after(a netip.Addr) netip.Addr {
	for i, r := range p {
		first, last := ends(r)
		switch {
		case a.Less(first) || last.Less(a):
		case a != last:
			return a.Next()
		case i+1 < len(p):
			first, _ = ends(p[i+1])
			return first
		}
	}
	first, _ := ends(p[0])
	return first
}

// Give takes an address from the pool for holder, an interface or an elastic address: the next after the one given
// last, so that none is used again at once.
func (p Pool) Give(tx store.Tx, holder string) (netip.Addr, error) {
	if len(p) == 0 {
		return netip.Addr{}, used()
	}
	last, _, err := handler.Find(tx, ec2.Cursors, ec2.PublicPool)
	if err != nil {
		return last, err
	}
	a := p.after(last)
	if _, taken, err := handler.Find(tx, ec2.Addresses, ec2.AddressKey(ec2.PublicPool, a)); err != nil {
		return a, err
	} else if taken {
		if a, err = p.free(tx, a); err != nil {
			return a, err
		}
	}
	if err := ec2.Addresses.Put(tx, ec2.AddressKey(ec2.PublicPool, a), ec2.Lease{Addr: a, Interface: holder}); err != nil {
		return a, err
	}
	return a, ec2.Cursors.Put(tx, ec2.PublicPool, a)
}

// free returns the first address after a that nobody has.
func (p Pool) free(tx store.Tx, a netip.Addr) (netip.Addr, error) {
	taken := map[netip.Addr]bool{}
	for l, err := range ec2.Addresses.Peek(tx, ec2.PublicPool+"/") {
		if err != nil {
			return a, err
		}
		taken[l.Addr] = true
	}
	for next := p.after(a); next != a; next = p.after(next) {
		if !taken[next] {
			return next, nil
		}
	}
	return a, used()
}

func used() error {
	return awserr.New("AddressLimitExceeded", "The maximum number of addresses has been reached.")
}

// TakeBack lets others have the address.
func TakeBack(tx store.Tx, a netip.Addr) error {
	return ec2.Addresses.Delete(tx, ec2.AddressKey(ec2.PublicPool, a))
}
