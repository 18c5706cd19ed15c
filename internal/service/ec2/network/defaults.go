package network

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/dhcp"
	"github.com/skylift/skylift/internal/store"
)

// EnsureDefaults makes, at the first start, what every new AWS account has in
// a region: the default VPC with its main route table, internet gateway,
// default security group and a subnet in each zone. Later it makes sure that
// they are still those of this region and range.
func (a *API) EnsureDefaults(ctx context.Context) error {
	if err := checkRange(a.Default); err != nil {
		return err
	}
	return a.db.Update(ctx, func(tx store.Tx) error {
		vpc, err := ec2.DefaultVpc(tx)
		if err != nil {
			return err
		}
		if vpc.ID == "" {
			if err := a.makeDefaults(tx); err != nil {
				return err
			}
			return a.complete(tx)
		}
		if vpc.CIDR != a.Default {
			return fmt.Errorf("this data directory's VPC is %s, not %s: start with --vpc-cidr %s or with another --data-dir", vpc.CIDR, a.Default, vpc.CIDR)
		}
		subnets, err := ec2.Subnets.List(tx, "")
		if err != nil {
			return fmt.Errorf("list subnets: %w", err)
		}
		for _, s := range subnets {
			if region := s.AZ[:len(s.AZ)-1]; region != a.ns.Region {
				return fmt.Errorf("this data directory's region is %s, not %s: start with --region %s or with another --data-dir", region, a.ns.Region, region)
			}
		}
		return a.complete(tx)
	})
}

// complete makes what the default VPC has and releases that knew one VPC had no records of: a network ACL for its
// subnets, and DHCP options.
func (a *API) complete(tx store.Tx) error {
	vpc, err := ec2.DefaultVpc(tx)
	if err != nil {
		return err
	}
	if _, err := dhcp.Default(tx); errors.Is(err, store.ErrNotFound) {
		if err := ec2.DHCPOptionSets.Put(tx, vpc.DHCPOptionsID, dhcp.Amazon(vpc.DHCPOptionsID, a.ns.Region)); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	subnets, err := ec2.Subnets.List(tx, "")
	if err != nil {
		return err
	}
	if err := a.serviceLists(tx); err != nil {
		return err
	}
	return aclFor(tx, vpc.ID, subnets)
}

// serviceAt is where tasks find each service of ours.
var serviceAt = netip.MustParsePrefix("169.254.170.2/32")

// serviceLists makes the prefix lists of the services that have gateway endpoints.
func (a *API) serviceLists(tx store.Tx) error {
	all, err := ec2.PrefixLists.List(tx, "")
	if err != nil {
		return err
	}
	name := "com.amazonaws." + a.ns.Region + ".s3"
	if slices.ContainsFunc(all, func(l ec2.PrefixList) bool { return l.AWS && l.Name == name }) {
		return nil
	}
	l := ec2.PrefixList{ID: ec2.NewID("pl"), Name: name, AWS: true, MaxEntries: 1, Entries: []ec2.PrefixListEntry{{CIDR: serviceAt}}}
	return ec2.PrefixLists.Put(tx, l.ID, l)
}

// checkRange refuses what AWS would not take for a VPC or what has no room
// for three subnets.
func checkRange(p netip.Prefix) error {
	if !p.IsValid() || !p.Addr().Is4() || p.Masked() != p {
		return fmt.Errorf("VPC range %s: want an IPv4 network such as 172.31.0.0/16", p)
	}
	if p.Bits() < 16 || p.Bits() > 26 {
		return fmt.Errorf("VPC range %s: want a size between /16 and /26", p)
	}
	return nil
}

func (a *API) makeDefaults(tx store.Tx) error {
	vpc := ec2.Vpc{
		ID: ec2.NewID("vpc"), CIDR: a.Default, Default: true, DHCPOptionsID: ec2.NewID("dopt"), AssociationID: ec2.NewID("vpc-cidr-assoc"),
		DNSSupport: true, DNSHostnames: true,
	}
	igw := ec2.InternetGateway{ID: ec2.NewID("igw"), VpcID: vpc.ID}
	if err := ec2.InternetGateways.Put(tx, igw.ID, igw); err != nil {
		return err
	}
	out := ec2.Route{Destination: netip.PrefixFrom(netip.IPv4Unspecified(), 0), Target: igw.ID, Origin: "CreateRoute"}
	if err := putVpc(tx, vpc, out); err != nil {
		return err
	}
	ranges := split(a.Default)
	for i, z := range a.zones() {
		s := ec2.Subnet{ID: ec2.NewID("subnet"), VpcID: vpc.ID, AZ: z.name, AZID: z.id, CIDR: ranges[i], Default: true, MapPublicIP: true}
		if err := putSubnet(tx, s); err != nil {
			return err
		}
	}
	return nil
}

// split returns the ranges of the three default subnets: a /20 each in a /16,
// as on AWS, else a quarter each.
func split(p netip.Prefix) [3]netip.Prefix {
	bits := p.Bits() + 2
	if p.Bits() == 16 {
		bits = 20
	}
	base := p.Addr().As4()
	first := binary.BigEndian.Uint32(base[:])
	var out [3]netip.Prefix
	for i := range out {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], first+uint32(i)<<(32-bits))
		out[i] = netip.PrefixFrom(netip.AddrFrom4(b), bits)
	}
	return out
}

type zone struct{ name, id string }

// zones returns the region's three availability zones.
func (a *API) zones() []zone {
	short := shortRegion(a.ns.Region)
	var out []zone
	for i, letter := range []string{"a", "b", "c"} {
		out = append(out, zone{a.ns.Region + letter, fmt.Sprintf("%s-az%d", short, i+1)})
	}
	return out
}

// shortRegion makes us-west-2 usw2 and ap-southeast-1 apse1.
func shortRegion(region string) string {
	compass := strings.NewReplacer("north", "n", "south", "s", "east", "e", "west", "w", "central", "c", "gov", "g")
	f := strings.Split(region, "-")
	for i := 1; i < len(f); i++ {
		f[i] = compass.Replace(f[i])
	}
	return strings.Join(f, "")
}

func defaultsOf(all []ec2.Subnet) []ec2.Subnet {
	all = slices.DeleteFunc(all, func(s ec2.Subnet) bool { return !s.Default })
	slices.SortFunc(all, func(a, b ec2.Subnet) int { return cmp.Compare(a.AZ, b.AZ) })
	return all
}
