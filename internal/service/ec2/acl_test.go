package ec2

import (
	"net/netip"
	"slices"
	"testing"
)

func TestNetworkACLAdmits(t *testing.T) {
	t.Parallel()
	all, ten := netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.0.0.0/8")
	a := NetworkACL{Entries: []ACLEntry{
		{Number: 90, CIDR: ten, Protocol: 6, From: 22, To: 22},
		{Number: 100, Allow: true, CIDR: ten, Protocol: 6, From: 20, To: 80},
		{Number: 110, Allow: true, CIDR: all, Protocol: 1, From: 3, To: 4},
		{Number: 111, Allow: true, CIDR: all, Protocol: 1, From: 8, To: -1},
		{Number: 120, Allow: true, CIDR: all, Protocol: 47},
		{Number: 100, Egress: true, Allow: true, CIDR: all, Protocol: -1},
		{Number: 110, Egress: true, CIDR: ten, Protocol: -1},
	}}
	if !slices.IsSortedFunc(a.Entries, ACLEntry.Compare) {
		t.Error("the entries are in another order")
	}
	in, out := netip.MustParseAddr("10.1.1.1"), netip.MustParseAddr("192.0.2.1")
	for _, tt := range []struct {
		p    Packet
		want bool
	}{
		{Packet{Peer: in, Protocol: 6, Port: 22}, false}, // the lower number decides
		{Packet{Peer: in, Protocol: 6, Port: 21}, true},
		{Packet{Peer: in, Protocol: 17, Port: 21}, false},
		{Packet{Peer: out, Protocol: 6, Port: 21}, false},
		{Packet{Peer: out, Protocol: 1, Type: 3, Code: 4}, true},
		{Packet{Peer: out, Protocol: 1, Type: 3, Code: 1}, false},
		{Packet{Peer: out, Protocol: 1, Type: 8, Code: 7}, true},
		{Packet{Peer: out, Protocol: 47}, true},
		{Packet{Egress: true, Peer: in, Protocol: 6, Port: 22}, true},
	} {
		if got := a.Admits(tt.p); got != tt.want {
			t.Errorf("%+v: %t, want %t", tt.p, got, tt.want)
		}
	}
	if !(NetworkACL{Entries: AllowAll()}).Admits(Packet{Peer: out, Protocol: 6}) || (NetworkACL{}).Admits(Packet{Peer: out, Protocol: 6}) {
		t.Error("a default ACL denies, or an empty one allows")
	}
}
