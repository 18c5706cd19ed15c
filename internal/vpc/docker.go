package vpc

import (
	"errors"
	"fmt"
	"os/exec"

	"github.com/coreos/go-iptables/iptables"
)

// Docker drops what is forwarded and not its own, and a drop is final whatever
// other tables say. An accept isn't: our table decides afterwards.
const (
	dockerChain  = "DOCKER-USER"
	forwardChain = "FORWARD" // where there is no Docker
)

// accepts are the rules that exempt an instance's interfaces from Docker's drop.
func accepts(own owner) [][]string {
	tag := []string{"-m", "comment", "--comment", aliasPrefix + string(own), "-j", "ACCEPT"}
	return [][]string{
		append([]string{"-i", own.prefix() + "+"}, tag...),
		append([]string{"-o", own.prefix() + "+"}, tag...),
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
	for _, rule := range accepts(own) {
		if err := t.InsertUnique("filter", chain, 1, rule...); err != nil {
			return fmt.Errorf("accept in chain %s: %w", chain, err)
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
	for _, chain := range []string{dockerChain, forwardChain} {
		if found, err := t.ChainExists("filter", chain); err != nil {
			return fmt.Errorf("look for chain %s: %w", chain, err)
		} else if !found {
			continue
		}
		for _, rule := range accepts(own) {
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
