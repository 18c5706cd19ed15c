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
	"github.com/skylift/skylift/internal/service/ec2/groups"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

const (
	maxGroups = 16 // of an interface
)

// Request asks for an interface.
type Request struct {
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
func (a *API) CreateInterface(ctx context.Context, r Request) (ec2.Interface, error) {
	if r.Owner == "" {
		return ec2.Interface{}, errors.New("create interface: want an owner")
	}
	i := ec2.Interface{
		ID: ec2.NewID("eni"), OwnerKey: r.Owner, SubnetID: r.SubnetID, Description: r.Description, Type: r.Type,
		RequesterManaged: r.RequesterManaged, Groups: slices.Clone(r.Groups), Created: time.Now().UTC(),
	}
	i.MAC = macOf(i.ID)
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
		return create(tx, i)
	})
}

// create writes i as an interface in its subnet.
func create(tx store.Tx, i ec2.Interface) (ec2.Interface, error) {
	s, err := request.Get(tx, ec2.Subnets, request.Subnet, i.SubnetID)
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
	if err := ec2.Addresses.Put(tx, ec2.AddressKey(s.ID, i.Addr), ec2.Lease{Addr: i.Addr, Interface: i.ID}); err != nil {
		return i, err
	}
	return i, ec2.Interfaces.Put(tx, i.ID, i)
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
		if err := ec2.Addresses.Delete(tx, ec2.AddressKey(i.SubnetID, i.Addr)); err != nil {
			return err
		}
		if err := ec2.TagSets.Delete(tx, id); err != nil {
			return err
		}
		return ec2.Interfaces.Delete(tx, id)
	})
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
	return addr, ec2.Cursors.Put(tx, s.ID, addr)
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
