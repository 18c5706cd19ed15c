package nft

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/vpc/kernel"
)

// Seal tells whether somebody else has changed the table since we wrote it. A
// zero seal fits nothing: generations count from 1.
type Seal struct {
	Generation uint32 // of the host's whole nftables; 0: unknown
	Rules      *[sha256.Size]byte
}

// Intact tells whether the table is as it was sealed. What others change in
// their own tables brings the seal up to date.
func (s *Seal) Intact(table string) (bool, error) {
	now, err := Generation()
	if err != nil {
		return false, err
	}
	if s.Generation == now {
		return true, nil
	}
	if s.Rules == nil {
		return false, nil
	}
	rules, err := digestRules(table)
	if err != nil || rules != *s.Rules {
		return false, err
	}
	s.Generation = now
	return true, nil
}

// Sealed takes down the rules that one transaction after generation before has
// written; the seal is zero when anybody else wrote meanwhile.
func Sealed(table string, before uint32) (Seal, error) {
	now, err := Generation()
	if err != nil || now != before && now != before+1 {
		return Seal{}, err
	}
	rules, err := digestRules(table)
	if err != nil {
		return Seal{}, err
	}
	if after, err := Generation(); err != nil || after != now {
		return Seal{}, err
	}
	return Seal{Generation: now, Rules: &rules}, nil
}

// Generation is a number that every change of nftables on the host increases.
func Generation() (uint32, error) {
	messages, err := nftRequest(unix.NFPROTO_UNSPEC, unix.NFT_MSG_GETGEN, 0).Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, fmt.Errorf("read nftables generation: %w", err)
	}
	for _, m := range messages {
		if id := kernel.Attributes(m[nl.SizeofNfgenmsg:])[unix.NFTA_GEN_ID]; len(id) == 4 {
			return binary.BigEndian.Uint32(id), nil
		}
	}
	return 0, errors.New("read nftables generation: no answer")
}

// digestRules is a digest of all rules in a table.
func digestRules(table string) (sum [sha256.Size]byte, err error) {
	var messages [][]byte
	err = kernel.Retry(vnetlink.ErrDumpInterrupted, func() (err error) {
		req := nftRequest(unix.NFPROTO_INET, unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP)
		req.AddData(nl.NewRtAttr(unix.NFTA_RULE_TABLE, nl.ZeroTerminated(table)))
		messages, err = req.Execute(unix.NETLINK_NETFILTER, 0)
		return err
	})
	if errors.Is(err, unix.ENOENT) { // the table is gone: no rules
		return sum, nil
	}
	if err != nil {
		return sum, fmt.Errorf("list rules of %s: %w", table, err)
	}
	h := sha256.New()
	for _, m := range messages {
		h.Write(m[nl.SizeofNfgenmsg:]) // what precedes counts the host's changes
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}

func nftRequest(family uint8, operation, flags int) *nl.NetlinkRequest {
	req := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|operation, flags)
	req.AddData(&nl.Nfgenmsg{NfgenFamily: family, Version: nl.NFNETLINK_V0})
	return req
}
