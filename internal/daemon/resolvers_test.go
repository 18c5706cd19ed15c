package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestResolvers(t *testing.T) {
	t.Parallel()
	task := t.TempDir()
	if err := os.MkdirAll(filepath.Join(task, "root/etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := "# by hand\nsearch corp.test\nnameserver 10.0.0.53\nnameserver\t172.17.0.1 # the host's\nnameserver fd00::53\nnameserver\nnameserver elsewhere\noptions ndots:0\n"
	if err := os.WriteFile(filepath.Join(task, "root/etc/resolv.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := resolvers(ofTask(nil, task+"/ns/net"), filepath.Join(task, "missing"))
	want := []netip.Addr{netip.MustParseAddr("10.0.0.53"), netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("fd00::53")}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// named is an engine whose tasks have named network namespaces.
type named struct{ Engine }

func (named) ResolvConf(task string) string { return "/files/" + task + "/resolv.conf" }

func TestResolvConfOfATask(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		engine Engine
		netns  string
		want   string
	}{
		{nil, "/proc/17/ns/net", "/proc/17/root/etc/resolv.conf"},
		{named{}, "/proc/17/ns/net", "/proc/17/root/etc/resolv.conf"}, // of the engine before
		{named{}, "/run/skylift/0123456789ab/netns/abc", "/files/abc/resolv.conf"},
		{nil, "fake:abc", ""},
	} {
		if got := ofTask(tc.engine, tc.netns); got != tc.want {
			t.Errorf("ofTask(%T, %s) = %q, want %q", tc.engine, tc.netns, got, tc.want)
		}
	}
}

func TestHostAccessIsChecked(t *testing.T) {
	t.Parallel()
	good := Config{
		Listen: "127.0.0.1:4566", Region: "us-west-2", LBAddress: netip.MustParseAddr("127.0.0.1"),
		VPCCIDR: netip.MustParsePrefix("172.31.0.0/16"), CPUOvercommit: 4,
	}
	for name, tc := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"no protocol": {func(c *Config) { c.HostAccess = []string{"tcp:80", "5432"} }, `--host-access "5432" must be tcp or udp with a port or a range, as in tcp:5432 or udp:8000-8100`},
		"no name":     {func(c *Config) { c.Uplinks = []string{"eth1", "a/b"} }, `--uplink "a/b" must be the name of a network interface, as in eth1`},
		"too long":    {func(c *Config) { c.Uplinks = []string{"sixteencharacter"} }, `--uplink "sixteencharacter" must be the name of a network interface, as in eth1`},
	} {
		c := good
		tc.set(&c)
		if err := c.check(); err == nil || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
	good.HostAccess = []string{"tcp:5432", "tcp:5432", "udp:8000-8100"}
	open, err := good.hostAccess()
	if err != nil || len(open) != 2 {
		t.Errorf("%v, %v, want two ports", open, err)
	}
	if got := good.hostAddress(); got != netip.MustParseAddr("172.31.0.1") {
		t.Errorf("the host is at %s", got)
	}
}
