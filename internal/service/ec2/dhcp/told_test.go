package dhcp

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/skylift/skylift/internal/service/ec2"
)

func TestTold(t *testing.T) {
	t.Parallel()
	vpc := ec2.Vpc{CIDR: netip.MustParsePrefix("10.20.0.0/16")}
	for _, tt := range []struct {
		options []ec2.DHCPOption
		want    string
	}{
		{nil, "[] []"},
		{[]ec2.DHCPOption{{Key: keyServers, Values: []string{amazonDNS}}, {Key: keyDomain, Values: []string{"us-west-2.compute.internal"}}}, "[10.20.0.2] [us-west-2.compute.internal]"},
		{[]ec2.DHCPOption{{Key: keyServers, Values: []string{"10.0.0.9", amazonDNS}}, {Key: keyDomain, Values: []string{"a.example b.example"}}}, "[10.0.0.9 10.20.0.2] [a.example b.example]"},
	} {
		got := told(vpc, ec2.DHCPOptions{Options: tt.options})
		if s := fmt.Sprint(got.Servers, " ", got.Search); s != tt.want {
			t.Errorf("%v: %s, want %s", tt.options, s, tt.want)
		}
		if !got.Own(netip.MustParseAddr("10.20.0.2")) || !got.Own(netip.MustParseAddr("169.254.169.253")) || got.Own(netip.MustParseAddr("10.0.0.9")) {
			t.Errorf("%v: its own resolver is another", tt.options)
		}
	}
}

func TestReadOption(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		key    string
		values []string
		want   string
	}{
		{keyServers, []string{"10.0.0.1, AmazonProvidedDNS"}, "[10.0.0.1 AmazonProvidedDNS]"},
		{keyServers, []string{"10.0.0.1", "10.0.0.2"}, "[10.0.0.1 10.0.0.2]"},
		{keyServers, []string{"1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5"}, "bad"},
		{keyServers, []string{"::1"}, "bad"},
		{keyServers, nil, "bad"},
		{keyDomain, []string{"example.com"}, "[example.com]"},
		{keyDomain, []string{"example.com", "example.org"}, "bad"},
		{keyDomain, []string{"-x"}, "bad"},
		{"ntp-servers", []string{"10.0.0.1"}, "bad"},
	} {
		o, err := readOption(types.NewDhcpConfiguration{Key: &tt.key, Values: tt.values})
		got := fmt.Sprint(o.Values)
		if err != nil {
			got = "bad"
		}
		if got != tt.want {
			t.Errorf("%s %v: %s, %v, want %s", tt.key, tt.values, got, err, tt.want)
		}
	}
}
