package acls

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/ec2/request"
	"github.com/skylift/skylift/internal/store"
)

// maxEntries is how many entries of a family an ACL may have in one direction, the last one among them
// (https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html: 20, up to 40 when asked).
const maxEntries = 40

// asked is an entry as a request has it.
type asked struct {
	number   int32
	egress   bool
	protocol string
	action   types.RuleAction
	v4, v6   *string
	ports    *types.PortRange
	icmp     *types.IcmpTypeCode
}

func created(in *sdk.CreateNetworkAclEntryInput) asked {
	return asked{aws.ToInt32(in.RuleNumber), aws.ToBool(in.Egress), aws.ToString(in.Protocol), in.RuleAction, in.CidrBlock, in.Ipv6CidrBlock, in.PortRange, in.IcmpTypeCode}
}

func replaced(in *sdk.ReplaceNetworkAclEntryInput) asked {
	return asked{aws.ToInt32(in.RuleNumber), aws.ToBool(in.Egress), aws.ToString(in.Protocol), in.RuleAction, in.CidrBlock, in.Ipv6CidrBlock, in.PortRange, in.IcmpTypeCode}
}

// checkNumber refuses what can't be an entry's number.
func checkNumber(n int32) error {
	if n < 1 || n >= ec2.LastACLRule {
		return awserr.New("InvalidParameterValue", "Value (%d) for parameter ruleNumber is invalid. It must be from 1 to %d.", n, ec2.LastACLRule-1)
	}
	return nil
}

// faults returns all that is wrong with r.
func (r asked) faults() (f awserr.Faults) {
	f.Add(checkNumber(r.number))
	_, err := r.cidr()
	f.Add(err)
	e := ec2.ACLEntry{}
	e.Protocol, err = protocol(r.protocol)
	f.Add(err)
	if err == nil {
		f.Add(r.service(&e))
	}
	return f
}

// read returns the entry that r asks for.
func (r asked) read() (e ec2.ACLEntry, err error) {
	if err := r.faults().First(); err != nil {
		return e, err
	}
	e = ec2.ACLEntry{Number: r.number, Egress: r.egress, Allow: r.action == types.RuleActionAllow}
	if e.CIDR, err = r.cidr(); err != nil {
		return e, err
	}
	if e.Protocol, err = protocol(r.protocol); err != nil {
		return e, err
	}
	return e, r.service(&e)
}

func (r asked) cidr() (netip.Prefix, error) {
	v4, v6 := request.Given(r.v4), request.Given(r.v6)
	switch {
	case v4 != nil && v6 != nil:
		return netip.Prefix{}, awserr.New("InvalidParameterCombination", "The parameters cidrBlock and ipv6CidrBlock cannot be used together")
	case v4 != nil:
		return request.CIDR("cidrBlock", *v4)
	case v6 != nil:
		p, err := netip.ParsePrefix(*v6)
		if err != nil || !p.Addr().Is6() || p.Addr().Is4In6() {
			return p, awserr.New("InvalidParameterValue", "Value (%s) for parameter ipv6CidrBlock is invalid. This is not a valid CIDR block.", *v6)
		}
		return p.Masked(), nil
	}
	return netip.Prefix{}, awserr.New("MissingParameter", "The request must contain the parameter cidrBlock or ipv6CidrBlock")
}

// protocol reads a protocol's number, or the name of one that has a name.
func protocol(s string) (int32, error) {
	n := ec2.ProtocolNumber(strings.ToLower(s))
	if known, err := strconv.Atoi(s); err == nil {
		n = known
	} else if n == 0 {
		n = -2
	}
	if n < -1 || n > 255 {
		return 0, awserr.New("InvalidParameterValue", "Invalid value '%s' for IP protocol. Unknown protocol.", s)
	}
	return int32(n), nil
}

// service reads e's ports, or its type and code, as its protocol has them. Others have none, whatever the request says.
func (r asked) service(e *ec2.ACLEntry) error {
	switch e.Protocol {
	case 6, 17:
		if r.ports == nil || r.ports.From == nil || r.ports.To == nil {
			return awserr.New("MissingParameter", "The request must contain the parameter PortRange.From and PortRange.To for the protocol %d", e.Protocol)
		}
		e.From, e.To = *r.ports.From, *r.ports.To
		if e.From < 0 || e.To > 65535 || e.From > e.To {
			return awserr.New("InvalidParameterValue", "Invalid TCP/UDP port range (%d, %d): ports are from 0 to 65535, and from must not be greater than to", e.From, e.To)
		}
	case 1, 58:
		if r.icmp == nil || r.icmp.Type == nil || r.icmp.Code == nil {
			return awserr.New("MissingParameter", "The request must contain the parameter Icmp.Type and Icmp.Code for the protocol %d", e.Protocol)
		}
		e.From, e.To = *r.icmp.Type, *r.icmp.Code
		if e.From < -1 || e.From > 255 || e.To < -1 || e.To > 255 {
			return awserr.New("InvalidParameterValue", "ICMP type (%d) or code (%d) out of range", e.From, e.To)
		}
	}
	return nil
}

// CreateNetworkAclEntry adds an entry to an ACL.
func (a *API) CreateNetworkAclEntry(ctx context.Context, in *sdk.CreateNetworkAclEntryInput) (*sdk.CreateNetworkAclEntryOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	e, err := created(in).read()
	if err != nil {
		return nil, err
	}
	return &sdk.CreateNetworkAclEntryOutput{}, a.alter(ctx, in.NetworkAclId, func(l *ec2.NetworkACL) error {
		if at(*l, e.Number, e.Egress) >= 0 {
			return awserr.New("NetworkAclEntryAlreadyExists", "The network acl entry identified by %d already exists.", e.Number)
		}
		l.Entries = append(l.Entries, e)
		slices.SortFunc(l.Entries, ec2.ACLEntry.Compare)
		return few(*l, e)
	})
}

// few refuses an ACL with more entries like e than one may have.
func few(l ec2.NetworkACL, e ec2.ACLEntry) error {
	n := 1 // the last one
	for _, o := range l.Entries {
		if o.Egress == e.Egress && o.CIDR.Addr().Is4() == e.CIDR.Addr().Is4() {
			n++
		}
	}
	if n > maxEntries {
		return awserr.New("NetworkAclEntryLimitExceeded", "The maximum number of network acl entries has been reached.")
	}
	return nil
}

// at returns the index of the entry with that number and direction; -1 when there is none.
func at(l ec2.NetworkACL, number int32, egress bool) int {
	return slices.IndexFunc(l.Entries, func(o ec2.ACLEntry) bool { return o.Number == number && o.Egress == egress })
}

// entryNotFound is the error for a number that no entry has.
func entryNotFound(number int32, egress bool) error {
	way := "ingress"
	if egress {
		way = "egress"
	}
	return awserr.New("InvalidNetworkAclEntry.NotFound", "The %s network acl entry identified by %d does not exist", way, number)
}

// ReplaceNetworkAclEntry gives an entry of an ACL other contents.
func (a *API) ReplaceNetworkAclEntry(ctx context.Context, in *sdk.ReplaceNetworkAclEntryInput) (*sdk.ReplaceNetworkAclEntryOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	e, err := replaced(in).read()
	if err != nil {
		return nil, err
	}
	return &sdk.ReplaceNetworkAclEntryOutput{}, a.alter(ctx, in.NetworkAclId, func(l *ec2.NetworkACL) error {
		i := at(*l, e.Number, e.Egress)
		if i < 0 {
			return entryNotFound(e.Number, e.Egress)
		}
		l.Entries[i] = e
		return few(*l, e)
	})
}

// DeleteNetworkAclEntry takes an entry from an ACL.
func (a *API) DeleteNetworkAclEntry(ctx context.Context, in *sdk.DeleteNetworkAclEntryInput) (*sdk.DeleteNetworkAclEntryOutput, error) {
	if err := request.DryRun(in.DryRun); err != nil {
		return nil, err
	}
	number, egress := aws.ToInt32(in.RuleNumber), aws.ToBool(in.Egress)
	if err := checkNumber(number); err != nil {
		return nil, err
	}
	return &sdk.DeleteNetworkAclEntryOutput{}, a.alter(ctx, in.NetworkAclId, func(l *ec2.NetworkACL) error {
		i := at(*l, number, egress)
		if i < 0 {
			return entryNotFound(number, egress)
		}
		l.Entries = slices.Delete(l.Entries, i, i+1)
		return nil
	})
}

// alter changes an ACL.
func (a *API) alter(ctx context.Context, id *string, f func(*ec2.NetworkACL) error) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		l, err := request.Get(tx, ec2.NetworkACLs, request.ACL, aws.ToString(id))
		if err != nil {
			return err
		}
		if err := f(&l); err != nil {
			return err
		}
		return ec2.NetworkACLs.Put(tx, l.ID, l)
	})
}
