package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/skylift/skylift/internal/daemon"
)

type dnsCmd struct {
	Setup dnsSetupCmd `cmd:"" help:"Print what systemd-resolved or dnsmasq needs to ask the name server for the instance's zones. It changes nothing."`
}

type dnsSetupCmd struct {
	dataDir
	Output string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

func (d dnsSetupCmd) Run(ctx context.Context, c console) error {
	return report(ctx, c, d.DataDir, daemon.DNSPath, d.Output, printDNS)
}

// printDNS says what resolvers need. An address that stands for all of the machine's is asked at loopback.
func printDNS(w io.Writer, r daemon.DNS) error {
	if len(r.Listen) == 0 {
		return errors.New("there is no name server: start skylift serve with --dns-listen, as in --dns-listen 127.0.0.1:5353")
	}
	at, err := netip.ParseAddrPort(r.Listen[0])
	if err != nil {
		return err
	}
	switch {
	case at.Addr().IsUnspecified() && at.Addr().Is4():
		at = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), at.Port())
	case at.Addr().IsUnspecified():
		at = netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# systemd-resolved (246 or later): /etc/systemd/resolved.conf.d/skylift.conf, then systemctl restart systemd-resolved\n[Resolve]\nDNS=%s\nDNSSEC=no\nDomains=~%s\n",
		at, strings.Join(r.Zones, " ~"))
	fmt.Fprint(&b, "\n# dnsmasq: /etc/dnsmasq.d/skylift.conf, then systemctl restart dnsmasq\n")
	for _, z := range r.Zones {
		fmt.Fprintf(&b, "server=/%s/%s#%d\n", z, at.Addr(), at.Port())
	}
	_, err = io.WriteString(w, b.String())
	return err
}
