package ec2

import (
	"fmt"
	"net/netip"
	"time"
)

// Token is the client token of the request that made a record, and what tells that request from others.
type Token struct{ Client, Digest string }

// The states of a NatGateway that a record can have. It is made at once: who made it is told "pending", and finds it
// available or failed.
const (
	NatAvailable = "available"
	NatFailed    = "failed"
	NatDeleted   = "deleted"
)

// NatGateway lets interfaces without public addresses open connections: what a route sends to it leaves by its own
// interface's address. Only an available one carries anything and has an Interface.
type NatGateway struct {
	ID        string
	VpcID     string
	SubnetID  string // whose routes and ACL count for what it sends
	Interface string // eni-…
	Addr      netip.Addr
	// AllocationID is the ElasticAddress that it has, PublicAddr its address. The address's own record says which
	// interface has it.
	AllocationID  string
	AssociationID string
	PublicAddr    netip.Addr
	State         string
	FailureCode   string
	FailureReason string
	Created       time.Time
	Deleted       time.Time // when it was deleted, or failed; such a one is shown for an hour
	Token         Token
}

// ElasticAddress is a public address of the account. While AssociationID is set, it is the address of PrivateAddr,
// one of Interface's.
type ElasticAddress struct {
	ID            string // eipalloc-…
	Addr          netip.Addr
	AssociationID string // eipassoc-…
	Interface     string
	PrivateAddr   netip.Addr
}

// interfaces is what an address is found by that is associated.
func (e ElasticAddress) interfaces() []string {
	if e.Interface == "" {
		return nil
	}
	return []string{e.Interface}
}

// The types of an Endpoint.
const (
	GatewayEndpoint   = "Gateway"
	InterfaceEndpoint = "Interface"
)

// Endpoint is a way from a Vpc to a service that does not lead over a gateway: as routes to the service's prefix list
// in RouteTables, or as interfaces in subnets.
type Endpoint struct {
	ID          string
	VpcID       string
	Service     string // com.amazonaws.us-west-2.s3
	Type        string
	RouteTables []string
	Interfaces  []string // eni-…, one in each subnet
	Groups      []string
	PrivateDNS  bool   // the service's own name leads to Interfaces
	Policy      string // JSON, as it was given; "": everything is allowed
	Created     time.Time
	Token       Token
}

// The states of a Peering that a record can have.
const (
	PeeringPending  = "pending-acceptance"
	PeeringActive   = "active"
	PeeringRejected = "rejected"
	PeeringDeleted  = "deleted"
)

// Peering joins two Vpcs: while it is active, routes may lead through it.
type Peering struct {
	ID                  string
	Requester, Accepter string // vpc-…
	// RequesterCIDRs and AccepterCIDRs are the ranges of both when it was made, for when a Vpc is gone.
	RequesterCIDRs, AccepterCIDRs []netip.Prefix
	State                         string
	RequesterDNS, AccepterDNS     bool // allowDnsResolutionFromRemoteVpc
	Created                       time.Time
	Ended                         time.Time // when it was deleted or rejected; such a one is shown for two hours
}

// Other returns the Vpc at p's other end, "" when vpc is at neither.
func (p Peering) Other(vpc string) string {
	switch vpc {
	case p.Requester:
		return p.Accepter
	case p.Accepter:
		return p.Requester
	}
	return ""
}

// PrefixList is a named list of ranges, which routes and rules name instead of the ranges themselves.
type PrefixList struct {
	ID         string
	Name       string
	AWS        bool // it is a service's, called as the service is, and can't be changed
	IPv6       bool // its family
	MaxEntries int32
	Version    int64
	Entries    []PrefixListEntry // of Version, which is what counts, in order
	Token      Token
}

// PrefixListEntry is one range of a PrefixList.
type PrefixListEntry struct {
	CIDR        netip.Prefix
	Description string
}

// PrefixListVersion is what a PrefixList had in one version.
type PrefixListVersion struct {
	List    string
	Version int64
	Entries []PrefixListEntry
}

// PrefixListKey is the key of a version in PrefixListVersions, which sorts by version in each list.
func PrefixListKey(list string, version int64) string { return fmt.Sprintf("%s/%016d", list, version) }
