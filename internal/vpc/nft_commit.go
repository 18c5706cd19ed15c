package vpc

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	vnetlink "github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// buffer holds the kernel's answers to the largest transaction.
const buffer = 32 << 20

func dial() (*nftables.Conn, error) {
	c, err := nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetReadBuffer(buffer), c.SetWriteBuffer(buffer))
	}))
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	return c, nil
}

// commit makes p the table's content in one transaction: a packet meets the old
// rules or the new ones. The chains with hooks stay, so that there is no moment
// without one.
func commit(name string, p *program) error {
	old, err := readTable(name)
	if err != nil {
		return err
	}
	c, err := dial()
	if err != nil {
		return err
	}
	t := c.AddTable(tableOf(name))
	old.clear(c, t)
	if err := p.add(c, t); err != nil {
		return fmt.Errorf("write table %s: %w", name, err)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("write table %s: %w", name, err)
	}
	return nil
}

func tableOf(name string) *nftables.Table {
	return &nftables.Table{Name: name, Family: nftables.TableFamilyINet}
}

// content is what is in a table now.
type content struct {
	exists bool
	chains []*nftables.Chain
	sets   []*nftables.Set
}

func readTable(name string) (content, error) {
	found, err := tableExists(name)
	if err != nil || !found {
		return content{}, err
	}
	c, err := dial()
	if err != nil {
		return content{}, err
	}
	old := content{exists: true}
	all, err := c.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return content{}, fmt.Errorf("list chains of %s: %w", name, err)
	}
	for _, ch := range all {
		if ch.Table.Name == name && ch.Hooknum == nil {
			old.chains = append(old.chains, ch)
		}
	}
	if old.sets, err = c.GetSets(tableOf(name)); err != nil {
		return content{}, fmt.Errorf("list sets of %s: %w", name, err)
	}
	return old, nil
}

// clear empties the table but for its hooks. Maps let go of chains first.
func (o content) clear(c *nftables.Conn, t *nftables.Table) {
	if !o.exists {
		return
	}
	c.FlushTable(t)
	for _, s := range o.sets {
		s.Table = t
		c.FlushSet(s)
		c.DelSet(s)
	}
	for _, ch := range o.chains {
		ch.Table = t
		c.DelChain(ch)
	}
}

// add writes the chains, then the sets that lead to them, then the rules that
// use both.
func (p *program) add(c *nftables.Conn, t *nftables.Table) error {
	accept := nftables.ChainPolicyAccept
	chains := make([]*nftables.Chain, len(p.chains))
	for i, ch := range p.chains {
		chains[i] = &nftables.Chain{Name: ch.name, Table: t}
		if h := ch.hook; h != nil {
			chains[i].Type, chains[i].Hooknum, chains[i].Priority, chains[i].Policy = h.kind, h.at, &h.priority, &accept
		}
		c.AddChain(chains[i])
	}
	for _, s := range p.sets {
		if err := s.add(c, t); err != nil {
			return err
		}
	}
	for i, ch := range p.chains {
		for _, r := range ch.rules {
			c.AddRule(&nftables.Rule{Table: t, Chain: chains[i], Exprs: r})
		}
	}
	return nil
}

// add writes a set; its elements in parts, as an attribute holds 64 KiB.
func (s set) add(c *nftables.Conn, t *nftables.Table) error {
	made := &nftables.Set{Table: t, ID: s.id, Name: s.name, KeyType: s.key, IsMap: s.isMap}
	made.Concatenation = len(nftables.ConcatSetTypeElements(s.key)) > 1
	if s.isMap {
		made.DataType = nftables.TypeVerdict
	}
	if err := c.AddSet(made, nil); err != nil {
		return fmt.Errorf("set %s: %w", s.name, err)
	}
	for part := range slices.Chunk(s.elems, 150) {
		elems := make([]nftables.SetElement, len(part))
		for i, e := range part {
			elems[i].Key = e.key
			if s.isMap {
				elems[i].VerdictData = &expr.Verdict{Kind: expr.VerdictJump, Chain: e.jump}
			}
		}
		if err := c.SetAddElements(made, elems); err != nil {
			return fmt.Errorf("set %s: %w", s.name, err)
		}
	}
	return nil
}

func tableExists(name string) (bool, error) {
	c, err := dial()
	if err != nil {
		return false, err
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("list tables: %w", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == name }), nil
}

func deleteTable(name string) error {
	found, err := tableExists(name)
	if err != nil || !found {
		return err
	}
	c, err := dial()
	if err != nil {
		return err
	}
	c.DelTable(tableOf(name))
	if err := c.Flush(); err != nil {
		return fmt.Errorf("delete table %s: %w", name, err)
	}
	return nil
}

// seal tells whether somebody else has changed the table.
type seal struct {
	generation uint32 // of the host's whole nftables, counts every change
	rules      [sha256.Size]byte
}

func sealOf(table string) (seal, error) {
	var s seal
	err := retry(vnetlink.ErrDumpInterrupted, func() (err error) {
		if s.generation, err = generation(); err != nil {
			return err
		}
		s.rules, err = digestRules(table)
		return err
	})
	return s, err
}

// generation is a number that every change of nftables on the host increases.
func generation() (uint32, error) {
	messages, err := nftRequest(unix.NFPROTO_UNSPEC, unix.NFT_MSG_GETGEN, 0).Execute(unix.NETLINK_NETFILTER, 0)
	if err != nil {
		return 0, fmt.Errorf("read nftables generation: %w", err)
	}
	for _, m := range messages {
		if id := attributes(m[nl.SizeofNfgenmsg:])[unix.NFTA_GEN_ID]; len(id) == 4 {
			return binary.BigEndian.Uint32(id), nil
		}
	}
	return 0, errors.New("read nftables generation: no answer")
}

func digestRules(table string) (sum [sha256.Size]byte, err error) {
	req := nftRequest(unix.NFPROTO_INET, unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP)
	req.AddData(nl.NewRtAttr(unix.NFTA_RULE_TABLE, nl.ZeroTerminated(table)))
	messages, err := req.Execute(unix.NETLINK_NETFILTER, 0)
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
