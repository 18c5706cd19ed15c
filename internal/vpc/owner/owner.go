// Package owner names what an instance has in the kernel, so that another process finds it again.
package owner

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"net/netip"
	"strings"

	"github.com/skylift/skylift/internal/vpc/accepts"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// Owner is an instance's id, from which all names in the kernel derive.
type Owner string

// Of returns the owner that an instance's id makes.
func Of(instance string) (Owner, error) {
	if len(instance) < 8 || strings.Trim(instance, "0123456789abcdef") != "" {
		return "", fmt.Errorf("instance id %q: want at least 8 hexadecimal digits", instance)
	}
	return Owner(instance), nil
}

// Table is the name of the nftables table.
func (o Owner) Table() string { return "skylift_" + string(o[:8]) }

// Prefix begins the names of all interfaces: 7 of the 15 characters a name may have.
func (o Owner) Prefix() string { return "sl" + Digest(string(o), 5) }

// Accepts is the owner of rules in other firewalls.
func (o Owner) Accepts() accepts.Owner { return accepts.Owner{ID: string(o), Prefix: o.Prefix()} }

// Link is the name of the host's end of an interface.
func (o Owner) Link(id string) string { return o.Prefix() + Digest(id, 8) }

// Alias is what an interface is labelled with, so that it is found again.
func (o Owner) Alias(id string) string { return kernel.AliasPrefix + string(o) + "/" + id }

// ID is the reverse of Alias.
func (o Owner) ID(alias string) (string, bool) {
	return strings.CutPrefix(alias, kernel.AliasPrefix+string(o)+"/")
}

// ClaimID labels, followed by the range, the interface that marks a range as
// the instance's.
const ClaimID = "vpc/"

// Claimant reads the label of any instance's mark.
func Claimant(alias string) (instance string, cidr netip.Prefix, ok bool) {
	rest, ok := strings.CutPrefix(alias, kernel.AliasPrefix)
	if !ok {
		return "", netip.Prefix{}, false
	}
	instance, rest, ok = strings.Cut(rest, "/"+ClaimID)
	if !ok {
		return "", netip.Prefix{}, false
	}
	cidr, err := netip.ParsePrefix(rest)
	return instance, cidr, err == nil
}

// Digest is n characters that stand for s in names.
func Digest(s string, n int) string {
	sum := sha256.Sum256([]byte(s))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:n]
}
