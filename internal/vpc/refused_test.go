package vpc

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/firewall/program"
)

// TestRefusedIsTold: the log says what a task tried in vain and what opens it,
// once, and of a task that tries very much only some.
func TestRefusedIsTold(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&log, nil))
	task := w.task("eni-a", 10)
	w.balancer("eni-lb", 11)
	_, bridge, behind := w.inside()
	_, _, its := w.outside()
	w.apply(&Ruleset{Groups: []Group{open("sg")}, Members: []Member{w.member("eni-a", "sg"), w.member("eni-lb", "sg")}})
	send := func(to netip.Addr, port uint16) {
		t.Helper()
		check(t, task.do(func() error { return sendFrom(w.addrs["eni-a"], to, port, "x") }))
	}
	for range 2 {
		send(bridge, 5432)
		send(behind, 6379)
		send(netip.MustParseAddr("169.254.169.254"), 80)
		send(netip.MustParseAddr("224.0.0.1"), 5353)
		send(its, 7777)
	}
	told := make(map[program.Refusal]bool)
	log.Reset()
	for range 2 {
		check(t, w.tellRefused(told))
	}
	for _, want := range []string{
		"to=" + bridge.String() + ":5432 protocol=udp why=\"a port of this machine: --host-access udp:5432 opens it\"",
		"to=" + behind.String() + ":6379 protocol=udp why=\"a network inside this machine, or behind an interface that --uplink can name\"",
		"to=224.0.0.1:5353",
	} {
		if n := strings.Count(log.String(), want); n != 1 {
			t.Errorf("%d times %q in\n%s", n, want, log.String())
		}
	}
	if strings.Contains(log.String(), "to="+its.String()) {
		t.Errorf("what passes is told of:\n%s", log.String())
	}
	log.Reset()
	for port := range uint16(1000) {
		send(bridge, 10000+port)
	}
	check(t, w.tellRefused(told))
	if n := strings.Count(log.String(), "\n"); n != toldAtOnce {
		t.Errorf("a thousand refusals are told in %d lines, want %d", n, toldAtOnce)
	}
	all, err := program.Refused(w.own.Table())
	check(t, err)
	if len(all) > program.RefusedMost {
		t.Errorf("%d are remembered", len(all))
	}
	if task.reaches(firewall.UDP, w.addrs["eni-a"], netip.AddrPortFrom(bridge, 53)) {
		t.Error("with the memory full, what is closed is reached")
	}
}
