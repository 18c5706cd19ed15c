package network

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestRanges(t *testing.T) {
	t.Parallel()
	for cidr, want := range map[string]string{
		"172.31.0.0/16":  "[172.31.0.0/20 172.31.16.0/20 172.31.32.0/20]",
		"10.4.0.0/20":    "[10.4.0.0/22 10.4.4.0/22 10.4.8.0/22]",
		"10.4.9.0/24":    "[10.4.9.0/26 10.4.9.64/26 10.4.9.128/26]",
		"10.4.9.64/26":   "[10.4.9.64/28 10.4.9.80/28 10.4.9.96/28]",
		"10.4.9.64/27":   "want a size between /16 and /26",
		"10.0.0.0/8":     "want a size between /16 and /26",
		"10.4.9.1/24":    "want an IPv4 network",
		"fd00::/64":      "want an IPv4 network",
		"255.255.0.0/16": "[255.255.0.0/20 255.255.16.0/20 255.255.32.0/20]",
	} {
		p := netip.MustParsePrefix(cidr)
		got := ""
		if err := checkRange(p); err != nil {
			got = err.Error()
		} else {
			got = fmt.Sprint(split(p))
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", cidr, got, want)
		}
	}
}

func TestShortRegion(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"us-west-2": "usw2", "ap-southeast-1": "apse1", "ap-northeast-2": "apne2", "eu-central-1": "euc1", "us-gov-west-1": "usgw1", "ca-central-1": "cac1",
	} {
		if got := shortRegion(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}
