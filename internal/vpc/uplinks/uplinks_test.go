package uplinks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUplinks(t *testing.T) {
	t.Parallel()
	eth0 := device{name: "eth0", index: 2, kind: "device", hardware: true, carriesFrames: true}
	for name, tc := range map[string]struct {
		devices  []device
		defaults []int
		named    []string
		want     []string
	}{
		"nothing":               {},
		"loopback":              {devices: []device{{name: "lo", index: 1, kind: "device", loopback: true}}, defaults: []int{1}},
		"hardware":              {devices: []device{eth0}, want: []string{"eth0"}},
		"a driver's without it": {devices: []device{{name: "vboxnet0", index: 2, kind: "device", carriesFrames: true}}},
		"Docker's": {devices: []device{
			eth0,
			{name: "docker0", index: 3, kind: "bridge"},
			{name: "veth1", index: 4, kind: "veth", master: 3, parent: 2},
			{name: "dummy0", index: 5, kind: "dummy"},
			{name: "vxlan0", index: 6, kind: "vxlan"},
			{name: "mac0", index: 7, kind: "macvlan", parent: 2},
		}, want: []string{"eth0"}},
		"default route in a container": {devices: []device{{name: "eth0", index: 7, kind: "veth"}, {name: "eth1", index: 8, kind: "veth"}}, defaults: []int{7}, want: []string{"eth0"}},
		"another Skylift's":            {devices: []device{{name: "slabcde", index: 7, kind: "veth", skylift: true}}, defaults: []int{7}},
		"bridge with hardware": {
			devices: []device{{name: "eth0", index: 2, kind: "device", hardware: true, master: 3}, {name: "br0", index: 3, kind: "bridge"}, {name: "virbr0", index: 4, kind: "bridge"}},
			want:    []string{"br0", "eth0"},
		},
		"bridge over a VLAN of a bond": {devices: []device{
			{name: "eth0", index: 2, kind: "device", hardware: true, master: 4},
			{name: "bond0", index: 4, kind: "bond"},
			{name: "bond0.7", index: 5, kind: "vlan", parent: 4, master: 6},
			{name: "br7", index: 6, kind: "bridge"},
		}, want: []string{"bond0", "bond0.7", "br7", "eth0"}},
		"VLAN of Docker's":                     {devices: []device{{name: "docker0", index: 3, kind: "bridge"}, {name: "docker0.7", index: 4, kind: "vlan", parent: 3}}},
		"VLAN of an interface that isn't here": {devices: []device{{name: "v7", index: 4, kind: "vlan"}}},
		"tunnels": {devices: []device{
			{name: "wg0", index: 2, kind: "wireguard"},
			{name: "tun0", index: 3, kind: "tun"},
			{name: "tap0", index: 4, kind: "tun", carriesFrames: true},
			{name: "ppp0", index: 5, kind: "ppp"},
			{name: "gre1", index: 6, kind: "gre"},
		}, want: []string{"gre1", "ppp0", "tun0", "wg0"}},
		"named, and not there": {devices: []device{{name: "zt0", index: 4, kind: "tun", carriesFrames: true}}, named: []string{"zt1", "zt0"}, want: []string{"zt0", "zt1"}},
		"a circle":             {devices: []device{{name: "a", index: 2, kind: "bridge", master: 3}, {name: "b", index: 3, kind: "bridge", master: 2}}},
	} {
		if d := cmp.Diff(tc.want, leading(tc.devices, tc.defaults, tc.named)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
