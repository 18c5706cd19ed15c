package vpc

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"strings"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// owner is an instance's id, from which all names in the kernel derive.
type owner string

func ownerOf(instance string) (owner, error) {
	if len(instance) < 8 || strings.Trim(instance, "0123456789abcdef") != "" {
		return "", fmt.Errorf("instance id %q: want at least 8 hexadecimal digits", instance)
	}
	return owner(instance), nil
}

// table is the name of the nftables table.
func (o owner) table() string { return "skylift_" + string(o[:8]) }

// prefix begins the names of all interfaces: 7 of the 15 characters a name may have.
func (o owner) prefix() string { return "sl" + digest(string(o), 5) }

// accepts is the owner of rules in other firewalls.
func (o owner) accepts() accepts.Owner { return accepts.Owner{ID: string(o), Prefix: o.prefix()} }

// link is the name of the host's end of an interface.
func (o owner) link(id string) string { return o.prefix() + digest(id, 8) }

// alias is what an interface is labelled with, so that it is found again.
func (o owner) alias(id string) string { return kernel.AliasPrefix + string(o) + "/" + id }

// id is the reverse of alias.
func (o owner) id(alias string) (string, bool) {
	return strings.CutPrefix(alias, kernel.AliasPrefix+string(o)+"/")
}

// claimID labels, followed by the range, the interface that marks a range as
// the instance's.
const claimID = "vpc/"

// claimant reads the label of any instance's mark.
func claimant(alias string) (instance string, cidr netip.Prefix, ok bool) {
	rest, ok := strings.CutPrefix(alias, kernel.AliasPrefix)
	if !ok {
		return "", netip.Prefix{}, false
	}
	instance, rest, ok = strings.Cut(rest, "/"+claimID)
	if !ok {
		return "", netip.Prefix{}, false
	}
	cidr, err := netip.ParsePrefix(rest)
	return instance, cidr, err == nil
}

func digest(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:n]
}
