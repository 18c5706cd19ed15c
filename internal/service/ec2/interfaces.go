package ec2

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/store"
)

const (
	// reservedLow and reservedHigh are how many addresses at a subnet's ends AWS
	// keeps for itself: network, router, DNS, one for later; broadcast.
	reservedLow, reservedHigh = 4, 1

	maxGroups = 16 // of an interface
)

// InterfaceRequest asks for an interface.
type InterfaceRequest struct {
	SubnetID    string
	Groups      []string // the VPC's default group when empty
	Description string
	Type        string // "interface" or "load_balancer"
	// Owner is who it is for, "task/<id>" say: asking again for the same owner
	// returns the interface that it has.
	Owner            string
	RequesterManaged bool
}

// CreateInterface makes an interface with an address of its own, or returns
// the one that the owner has already.
func (a *API) CreateInterface(ctx context.Context, r InterfaceRequest) (Interface, error) {
	if r.Owner == "" {
		return Interface{}, errors.New("create interface: want an owner")
	}
	i := Interface{
		ID: newID("eni"), OwnerKey: r.Owner, SubnetID: r.SubnetID, Description: r.Description, Type: r.Type,
		RequesterManaged: r.RequesterManaged, Groups: slices.Clone(r.Groups), Created: time.Now().UTC(),
	}
	i.MAC = macOf(i.ID)
	a.allocating.Lock()
	defer a.allocating.Unlock()
	return handler.Update(ctx, a.db, func(tx store.Tx) (Interface, error) {
		had, err := Interfaces.By(tx, "owner", r.Owner)
		if err != nil {
			return Interface{}, err
		}
		if len(had) > 0 {
			return had[0], nil
		}
		return i.create(tx)
	})
}

// create writes i as an interface in its subnet.
func (i Interface) create(tx store.Tx) (Interface, error) {
	s, err := subnetByID(tx, i.SubnetID)
	if err != nil {
		return i, err
	}
	i.AZ, i.AZID, i.VpcID = s.AZ, s.AZID, s.VpcID
	if i.Groups, err = groupsFor(tx, s.VpcID, i.Groups); err != nil {
		return i, err
	}
	if i.Addr, err = allocate(tx, s); err != nil {
		return i, err
	}
	if err := addresses.Put(tx, addressKey(s.ID, i.Addr), lease{i.Addr, i.ID}); err != nil {
		return i, err
	}
	return i, Interfaces.Put(tx, i.ID, i)
}

// groupsFor returns the groups that an interface in the VPC is in: those that
// are asked for, or the default one.
func groupsFor(tx store.Tx, vpcID string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		id, err := defaultGroup(tx, vpcID)
		return []string{id}, err
	}
	if len(ids) > maxGroups {
		return nil, awserr.New("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface (%d) has been reached.", maxGroups)
	}
	return ids, checkGroups(tx, vpcID, ids)
}

// DeleteInterface removes an interface and gives its address back. There
// being none is fine.
func (a *API) DeleteInterface(ctx context.Context, id string) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		i, there, err := handler.Find(tx, Interfaces, id)
		if err != nil || !there {
			return err
		}
		if err := addresses.Delete(tx, addressKey(i.SubnetID, i.Addr)); err != nil {
			return err
		}
		if err := tagSets.Delete(tx, id); err != nil {
			return err
		}
		return Interfaces.Delete(tx, id)
	})
}

// SetInterfaceGroups puts an interface into other groups.
func (a *API) SetInterfaceGroups(ctx context.Context, id string, groups []string) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		i, err := byID(tx, Interfaces, kindInterface, id)
		if err != nil {
			return err
		}
		if i.Groups, err = groupsFor(tx, i.VpcID, slices.Clone(groups)); err != nil {
			return err
		}
		return Interfaces.Put(tx, id, i)
	})
}

// allocate returns a free address of s, the next after the one given out
// last, so that an address is not used again at once.
func allocate(tx store.Tx, s Subnet) (netip.Addr, error) {
	first, last := usable(s.CIDR)
	from := first
	cursor, there, err := handler.Find(tx, cursors, s.ID)
	if err != nil {
		return netip.Addr{}, err
	}
	if there && cursor.Less(last) {
		from = cursor.Next()
	}
	addr, err := nextFree(tx, s.ID, from, last)
	if err == nil && !addr.IsValid() {
		addr, err = nextFree(tx, s.ID, first, last)
	}
	if err != nil {
		return netip.Addr{}, err
	}
	if !addr.IsValid() {
		return netip.Addr{}, awserr.New("InsufficientFreeAddressesInSubnet", "The specified subnet '%s' does not have enough free addresses to satisfy the request.", s.ID)
	}
	return addr, cursors.Put(tx, s.ID, addr)
}

// nextFree returns the first address from from to last that is not taken, the
// zero Addr when there is none. Most often that is from itself.
func nextFree(tx store.Tx, subnet string, from, last netip.Addr) (netip.Addr, error) {
	_, taken, err := handler.Find(tx, addresses, addressKey(subnet, from))
	if err != nil || !taken {
		return from, err
	}
	free := from.Next()
	for taken, err := range addresses.Scan(tx, subnet+"/", addressKey(subnet, from)) {
		if err != nil {
			return netip.Addr{}, fmt.Errorf("read addresses of %s: %w", subnet, err)
		}
		if taken.Addr != free {
			break
		}
		free = free.Next()
	}
	if last.Less(free) {
		return netip.Addr{}, nil
	}
	return free, nil
}

// usable returns the first and the last address of p that may be given out.
func usable(p netip.Prefix) (first, last netip.Addr) {
	base := p.Addr().As4()
	n := binary.BigEndian.Uint32(base[:])
	return addrOf(n + reservedLow), addrOf(n + 1<<(32-p.Bits()) - 1 - reservedHigh)
}

func addrOf(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// capacity is how many interfaces fit into p.
func capacity(p netip.Prefix) int { return 1<<(32-p.Bits()) - reservedLow - reservedHigh }

// macOf makes a locally administered address of an interface's id.
func macOf(id string) string {
	hex := strings.TrimPrefix(id, kindInterface.prefix+"-")
	n, _ := strconv.ParseUint(hex[:10], 16, 64) // ids are hex digits
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", n>>32&0xff, n>>24&0xff, n>>16&0xff, n>>8&0xff, n&0xff)
}
