// Package accepts exempts an instance's interfaces from what other firewalls of the host drop.
package accepts

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/coreos/go-iptables/iptables"

	"github.com/skylift/skylift/internal/vpc/firewall"
	"github.com/skylift/skylift/internal/vpc/kernel"
)

// Docker drops what is forwarded and not its own, a host's own filter often all
// that it receives, and a drop is final whatever other tables say. An accept
// isn't: our table decides afterwards.
const (
	dockerChain  = "DOCKER-USER"
	forwardChain = "FORWARD" // where there is no Docker
	inputChain   = "INPUT"
)

// Owner is whose interfaces they are.
type Owner struct {
	ID     string // of the instance
	Prefix string // that the names of its interfaces begin with
}

// label marks the rules of the owner.
func (o Owner) label() string { return kernel.AliasPrefix + o.ID }

// accepts are the rules that exempt an instance's interfaces from others'
// drops, by the chain that they belong into.
func accepts(own Owner, forwarded string, opened []firewall.Ports) map[string][][]string {
	tag := []string{"-m", "comment", "--comment", own.label(), "-j", "ACCEPT"}
	ours := own.Prefix + "+"
	input := [][]string{append([]string{"-i", ours, "-m", "conntrack", "--ctstate", "DNAT"}, tag...)} // what tasks send to a service
	for _, p := range opened {
		name := p.ProtocolName()
		input = append(input, append([]string{"-i", ours, "-p", name, "-m", name, "--dport", p.Numbers(":")}, tag...))
	}
	return map[string][][]string{
		forwarded:  {append([]string{"-i", ours}, tag...), append([]string{"-o", ours}, tag...)},
		inputChain: input,
	}
}

// Put puts the rules where they are missing, and removes those of ports that
// are open no more.
func Put(own Owner, opened []firewall.Ports) error {
	t, err := openIPTables()
	if t == nil {
		return err
	}
	chain := forwardChain
	if found, err := t.ChainExists("filter", dockerChain); err != nil {
		return fmt.Errorf("look for chain %s: %w", dockerChain, err)
	} else if found {
		chain = dockerChain
	}
	all := accepts(own, chain, opened)
	if err := removeAccepts(t, own, inputChain, all[inputChain]); err != nil {
		return err
	}
	for chain, rules := range all {
		for _, rule := range rules {
			if err := t.InsertUnique("filter", chain, 1, rule...); err != nil {
				return fmt.Errorf("accept in chain %s: %w", chain, err)
			}
		}
	}
	return nil
}

// Remove removes the rules from wherever they are.
func Remove(own Owner) error {
	t, err := openIPTables()
	if t == nil {
		return err
	}
	for _, chain := range []string{dockerChain, forwardChain, inputChain} {
		if err := removeAccepts(t, own, chain, nil); err != nil {
			return err
		}
	}
	return nil
}

// removeAccepts removes the instance's rules from a chain, but for those to keep.
func removeAccepts(t *iptables.IPTables, own Owner, chain string, keep [][]string) error {
	if found, err := t.ChainExists("filter", chain); err != nil {
		return fmt.Errorf("look for chain %s: %w", chain, err)
	} else if !found {
		return nil
	}
	lines, err := t.List("filter", chain)
	if err != nil {
		return fmt.Errorf("list chain %s: %w", chain, err)
	}
	for _, line := range lines {
		rule := strings.Fields(strings.ReplaceAll(line, `"`, ""))
		if len(rule) < 2 || rule[0] != "-A" || !slices.Contains(rule, own.label()) {
			continue
		}
		rule = rule[2:]
		if slices.ContainsFunc(keep, func(k []string) bool { return slices.Equal(k, rule) }) {
			continue
		}
		if err := t.DeleteIfExists("filter", chain, rule...); err != nil {
			return fmt.Errorf("remove accept from chain %s: %w", chain, err)
		}
	}
	return nil
}

// openIPTables is nil, without an error, on a host that has no iptables and so
// none of its rules.
func openIPTables() (*iptables.IPTables, error) {
	t, err := iptables.New(iptables.IPFamily(iptables.ProtocolIPv4), iptables.Timeout(10))
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open iptables: %w", err)
	}
	return t, nil
}
