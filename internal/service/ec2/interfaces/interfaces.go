package interfaces

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/addresses"
	"github.com/skylift/skylift/internal/service/ec2/groups"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

const (
	maxGroups = 16 // of an interface: 5, and up to 16 when asked
)

// Request asks for an interface.
type Request struct {
	SubnetID    string
	Groups      []string // the VPC's default group when empty
	Description string
	Type        string // of an ec2.Interface
	// Public asks for a public address, too.
	Public bool
	// Owner is who it is for, "task/<id>" say: asking again for the same owner
	// returns the interface that it has.
	Owner            string
	RequesterManaged bool
}

// CreateInterface makes an interface with an address of its own, or returns
// the one that the owner has already.
func (a *API) CreateInterface(ctx context.Context, r Request) (ec2.Interface, error) {
	if r.Owner == "" {
		return ec2.Interface{}, errors.New("create interface: want an owner")
	}
	i := New(r.Type, r.SubnetID, r.Owner, r.Description)
	i.RequesterManaged, i.Groups = r.RequesterManaged, slices.Clone(r.Groups)
	a.allocating.Lock()
	defer a.allocating.Unlock()
	return handler.Update(ctx, a.db, func(tx store.Tx) (ec2.Interface, error) {
		had, err := ec2.Interfaces.By(tx, "owner", r.Owner)
		if err != nil {
			return ec2.Interface{}, err
		}
		if len(had) > 0 {
			return had[0], nil
		}
		i, err := Create(tx, i)
		if err != nil || !r.Public {
			return i, err
		}
		if i.PublicAddr, err = a.pool.Give(tx, i.ID); err != nil {
			return i, err
		}
		return i, ec2.Interfaces.Put(tx, i.ID, i)
	})
}

// New returns an interface of a type in a subnet, for an owner, which Create writes.
func New(typ, subnet, owner, description string) ec2.Interface {
	i := ec2.Interface{ID: ec2.NewID("eni"), Type: typ, SubnetID: subnet, OwnerKey: owner, Description: description, RequesterManaged: true, Created: time.Now().UTC()}
	i.MAC = macOf(i.ID)
	return i
}

// Create writes i as an interface in its subnet, and returns it as it is written: with an address, which is a free one when
// i names none, and in groups, the VPC's default one when it names none. A NAT gateway's is in none.
func Create(tx store.Tx, i ec2.Interface) (ec2.Interface, error) {
	s, err := request.Get(tx, ec2.Subnets, request.Subnet, i.SubnetID)
	if err != nil {
		return i, err
	}
	i.AZ, i.AZID, i.VpcID = s.AZ, s.AZID, s.VpcID
	if i.Type != ec2.NatInterface {
		if i.Groups, err = groupsFor(tx, s.VpcID, i.Groups); err != nil {
			return i, err
		}
	}
	if i.Addr.IsValid() {
		err = free(tx, s, i.Addr)
	} else {
		i.Addr, err = allocate(tx, s)
	}
	if err != nil {
		return i, err
	}
	if err := ec2.Addresses.Put(tx, ec2.AddressKey(s.ID, i.Addr), ec2.Lease{Addr: i.Addr, Interface: i.ID}); err != nil {
		return i, err
	}
	return i, ec2.Interfaces.Put(tx, i.ID, i)
}

// Room returns why Create would find no address for i; nil if it would find one.
func Room(tx store.Tx, i ec2.Interface) error {
	s, err := request.Get(tx, ec2.Subnets, request.Subnet, i.SubnetID)
	if err != nil {
		return err
	}
	if i.Addr.IsValid() {
		return free(tx, s, i.Addr)
	}
	_, err = nextOf(tx, s)
	return err
}

// free refuses an address that no new interface in s can have.
func free(tx store.Tx, s ec2.Subnet, addr netip.Addr) error {
	first, last := s.Usable()
	if addr.Less(first) || last.Less(addr) {
		return awserr.New("InvalidParameterValue", "Address %s does not fall within the subnet's address range", addr)
	}
	_, taken, err := handler.Find(tx, ec2.Addresses, ec2.AddressKey(s.ID, addr))
	if err == nil && taken {
		err = awserr.New("InvalidIPAddress.InUse", "Address %s is in use.", addr)
	}
	return err
}

// groupsFor returns the groups that an interface in the VPC is in: those that
// are asked for, or the default one.
func groupsFor(tx store.Tx, vpcID string, ids []string) ([]string, error) {
	if len(ids) == 0 {
		id, err := groups.Default(tx, vpcID)
		return []string{id}, err
	}
	if len(ids) > maxGroups {
		return nil, awserr.New("SecurityGroupsPerInterfaceLimitExceeded", "The maximum number of security groups per interface (%d) has been reached.", maxGroups)
	}
	return ids, groups.Check(tx, vpcID, ids)
}

// DeleteInterface removes an interface and gives its address back. There
// being none is fine.
func (a *API) DeleteInterface(ctx context.Context, id string) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		i, there, err := handler.Find(tx, ec2.Interfaces, id)
		if err != nil || !there {
			return err
		}
		return Remove(tx, i)
	})
}

// Remove removes i and gives its addresses back.
func Remove(tx store.Tx, i ec2.Interface) error {
	if err := addresses.Part(tx, i); err != nil {
		return err
	}
	for _, addr := range append([]netip.Addr{i.Addr}, i.Secondary...) {
		if err := ec2.Addresses.Delete(tx, ec2.AddressKey(i.SubnetID, addr)); err != nil {
			return err
		}
	}
	if err := ec2.TagSets.Delete(tx, i.ID); err != nil {
		return err
	}
	return ec2.Interfaces.Delete(tx, i.ID)
}

// SetInterfaceGroups puts an interface into other groups.
func (a *API) SetInterfaceGroups(ctx context.Context, id string, groups []string) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		i, err := request.Get(tx, ec2.Interfaces, request.Interface, id)
		if err != nil {
			return err
		}
		if i.Groups, err = groupsFor(tx, i.VpcID, slices.Clone(groups)); err != nil {
			return err
		}
		return ec2.Interfaces.Put(tx, id, i)
	})
}

// allocate returns a free address of s, the next after the one given out
// last, so that an address is not used again at once.
func allocate(tx store.Tx, s ec2.Subnet) (netip.Addr, error) {
	addr, err := nextOf(tx, s)
	if err != nil {
		return addr, err
	}
	return addr, ec2.Cursors.Put(tx, s.ID, addr)
}

// nextOf returns the address that allocate gives.
func nextOf(tx store.Tx, s ec2.Subnet) (netip.Addr, error) {
	first, last := s.Usable()
	from := first
	cursor, there, err := handler.Find(tx, ec2.Cursors, s.ID)
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
	return addr, nil
}

// nextFree returns the first address from from to last that is not taken, the
// zero Addr when there is none. Most often that is from itself.
func nextFree(tx store.Tx, subnet string, from, last netip.Addr) (netip.Addr, error) {
	_, taken, err := handler.Find(tx, ec2.Addresses, ec2.AddressKey(subnet, from))
	if err != nil || !taken {
		return from, err
	}
	free := from.Next()
	for taken, err := range ec2.Addresses.Scan(tx, subnet+"/", ec2.AddressKey(subnet, from)) {
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

// macOf makes a locally administered address of an interface's id.
func macOf(id string) string {
	hex := strings.TrimPrefix(id, request.Interface.Prefix+"-")
	n, _ := strconv.ParseUint(hex[:10], 16, 64) // ids are hex digits
	return fmt.Sprintf("02:%02x:%02x:%02x:%02x:%02x", n>>32&0xff, n>>24&0xff, n>>16&0xff, n>>8&0xff, n&0xff)
}
