package daemon

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

func TestTogether(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	ended := false
	parts := map[string]Runner{
		"one": runner(func(context.Context) error { return broken }),
		"two": runner(func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return ctx.Err()
		}),
	}
	if err := together(t.Context(), parts); !errors.Is(err, broken) || err.Error() != "one: broken" || !ended {
		t.Errorf("got %v, the other ended: %v; want one: broken, true", err, ended)
	}
	ctx, stop := context.WithCancel(t.Context())
	delete(parts, "one")
	stop()
	if err := together(ctx, parts); err != nil {
		t.Errorf("when asked to end: %v, want nil", err)
	}
	parts["three"] = runner(func(context.Context) error { return nil })
	if err := together(t.Context(), parts); err == nil || err.Error() != "three: ended" {
		t.Errorf("got %v, want three: ended", err)
	}
}

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	good := Config{
		Listen: "127.0.0.1:4566", Region: "us-west-2", LBAddress: netip.MustParseAddr("127.0.0.1"), VPCCIDR: netip.MustParsePrefix("172.31.0.0/16"),
		CPUOvercommit: 4,
	}
	if err := good.check(); err != nil && os.Geteuid() == 0 {
		t.Errorf("good configuration: %v", err)
	}
	tests := []struct {
		want   string
		change func(*Config)
	}{
		{"--listen", func(c *Config) { c.Listen = "4566" }},
		{"--listen", func(c *Config) { c.Listen = ":4566" }},
		{"--region", func(c *Config) { c.Region = "here" }},
		{"--account-id", func(c *Config) { c.AccountID = "12" }},
		{"--lb-address", func(c *Config) { c.LBAddress = netip.MustParseAddr("::1") }},
		{"--vpc-cidr", func(c *Config) { c.VPCCIDR = netip.MustParsePrefix("172.31.0.0/8") }},
		{"--vpc-cidr", func(c *Config) { c.VPCCIDR = netip.MustParsePrefix("172.31.0.1/16") }},
		{"--vpc-cidr", func(c *Config) { c.VPCCIDR = netip.MustParsePrefix("fd00::/64") }},
		{"--stopped-task-retention", func(c *Config) { c.StoppedTaskRetention = time.Second }},
		{"--cpu-overcommit", func(c *Config) { c.CPUOvercommit = 0.5 }},
		{"--memory", func(c *Config) { c.Memory = -1 }},
	}
	for _, tt := range tests {
		c := good
		tt.change(&c)
		if err := c.check(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error about %s", c, err, tt.want)
		}
	}
}
