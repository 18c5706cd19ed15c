package program

import (
	"net/netip"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/nft"
)

// KeptResolvers reads the resolvers from the table, where there is one.
func KeptResolvers(table string) ([]netip.Addr, error) {
	keys, err := nft.Elements(table, setResolvers)
	if err != nil {
		return nil, err
	}
	var kept []netip.Addr
	for _, key := range keys {
		if addr, ok := netip.AddrFromSlice(key[:min(4, len(key))]); ok {
			kept = append(kept, addr)
		}
	}
	return firewall.AddResolvers(nil, kept), nil
}
