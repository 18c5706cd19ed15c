package vpc

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/coreos/go-iptables/iptables"
)

// Docker drops what is forwarded and not its own, a host's own filter often all
// that it receives, and a drop is final whatever other tables say. An accept
// isn't: our table decides afterwards.
const (
	dockerChain  = "DOCKER-USER"
	forwardChain = "FORWARD" // where there is no Docker
	inputChain   = "INPUT"
)

// accepts are the rules that exempt an instance's interfaces from others'
// drops, by the chain that they belong into.
func accepts(own owner, forwarded string) map[string][][]string {
	tag := []string{"-m", "comment", "--comment", aliasPrefix + string(own), "-j", "ACCEPT"}
	ours := own.prefix() + "+"
	return map[string][][]string{
		forwarded:  {append([]string{"-i", ours}, tag...), append([]string{"-o", ours}, tag...)},
		inputChain: {append([]string{"-i", ours, "-m", "conntrack", "--ctstate", "DNAT"}, tag...)}, // what tasks send to a service
	}
}

// accept puts the rules where they are missing.
func accept(own owner) error {
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
	for chain, rules := range accepts(own, chain) {
		for _, rule := range rules {
			if err := t.InsertUnique("filter", chain, 1, rule...); err != nil {
				return fmt.Errorf("accept in chain %s: %w", chain, err)
			}
		}
	}
	return nil
}

// unaccept removes the rules from wherever they are.
func unaccept(own owner) error {
	t, err := openIPTables()
	if t == nil {
		return err
	}
	for _, forwarded := range []string{dockerChain, forwardChain} {
		if err := removeAccepts(t, accepts(own, forwarded)); err != nil {
			return err
		}
	}
	return nil
}

func removeAccepts(t *iptables.IPTables, from map[string][][]string) error {
	for chain, rules := range from {
		if found, err := t.ChainExists("filter", chain); err != nil {
			return fmt.Errorf("look for chain %s: %w", chain, err)
		} else if !found {
			continue
		}
		for _, rule := range rules {
			if err := t.DeleteIfExists("filter", chain, rule...); err != nil {
				return fmt.Errorf("remove accept from chain %s: %w", chain, err)
			}
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
