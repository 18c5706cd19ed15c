package nft

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// batch is a transaction on a table in the making.
type batch struct {
	*nftables.Conn
	table *nftables.Table
	sets  uint32 // made so far
}

// content is what is in a table now.
type content struct {
	exists bool
	chains []*nftables.Chain
	sets   []*nftables.Set
}

func readTable(name string) (content, error) {
	found, err := Exists(name)
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
	return old.once(), nil
}

// once leaves out what was listed twice: a listing begins again when somebody else writes meanwhile.
func (o content) once() content {
	seen := make(map[string]bool)
	o.chains = slices.DeleteFunc(o.chains, func(c *nftables.Chain) bool {
		again := seen["chain "+c.Name]
		seen["chain "+c.Name] = true
		return again
	})
	o.sets = slices.DeleteFunc(o.sets, func(s *nftables.Set) bool {
		again := seen["set "+s.Name]
		seen["set "+s.Name] = true
		return again
	})
	return o
}

// clear empties the table but for its hooks. Maps let go of chains first.
func (o content) clear(b *batch) {
	if !o.exists {
		return
	}
	b.FlushTable(b.table)
	for _, s := range o.sets {
		b.dropSet(s.Name)
	}
	for _, ch := range o.chains {
		b.DelChain(b.chain(ch.Name))
	}
}

// change writes what turns old into p. Order matters: chains before the
// elements that lead to them, sets before the rules that ask them, and what is
// removed only when nothing refers to it any more.
func (b *batch) change(old, p *Program) error {
	rewritten := make(map[string]*Chain) // those whose rules aren't there yet
	for name, ch := range p.Chains {
		was := old.Chains[name]
		if was == nil {
			b.addChain(ch)
		}
		if was == nil || !sameRules(was.Rules, ch.Rules) {
			rewritten[name] = ch
		}
	}
	for name := range old.Chains {
		if p.Chains[name] == nil || rewritten[name] != nil {
			b.FlushChain(b.chain(name))
		}
	}
	for name, s := range old.Sets {
		if p.Sets[name] == nil {
			b.dropSet(name)
			continue
		}
		if err := b.removeElements(s, p.Sets[name]); err != nil {
			return err
		}
	}
	for name := range old.Chains {
		if p.Chains[name] == nil {
			b.DelChain(b.chain(name))
		}
	}
	for name, s := range p.Sets {
		if err := b.addElements(old.Sets[name], s); err != nil {
			return err
		}
	}
	for name, ch := range rewritten {
		for _, r := range ch.Rules {
			b.AddRule(&nftables.Rule{Table: b.table, Chain: b.chain(name), Exprs: r})
		}
	}
	return nil
}

func (b *batch) chain(name string) *nftables.Chain {
	return &nftables.Chain{Name: name, Table: b.table}
}

func (b *batch) addChain(ch *Chain) {
	made := b.chain(ch.Name)
	if h := ch.Hook; h != nil {
		made.Type, made.Hooknum, made.Priority, made.Policy = h.Kind, h.At, &h.Priority, new(nftables.ChainPolicyAccept)
	}
	b.AddChain(made)
}

// dropSet deletes a set; its elements first, which lets go of the chains that
// they lead to.
func (b *batch) dropSet(name string) {
	s := &nftables.Set{Table: b.table, Name: name}
	b.FlushSet(s)
	b.DelSet(s)
}

// removeElements deletes what is no longer in a set, or leads elsewhere.
func (b *batch) removeElements(old, now *Set) error {
	gone := old.with(make(map[string]string))
	for key, jump := range old.Jumps {
		if to, there := now.Jumps[key]; !there || to != jump {
			gone.Jumps[key] = jump
		}
	}
	return b.elements(gone, func(elems []nftables.SetElement) error { return b.SetDeleteElements(b.set(gone), elems) })
}

// addElements makes a set that wasn't there, and adds what is new in it.
func (b *batch) addElements(old, now *Set) error {
	made := b.set(now)
	added := now
	if old == nil {
		b.sets++
		made.ID = b.sets // else the library counts, for all tables at once
		if err := b.AddSet(made, nil); err != nil {
			return fmt.Errorf("set %s: %w", now.Name, err)
		}
	} else {
		added = now.with(make(map[string]string))
		for key, jump := range now.Jumps {
			if to, there := old.Jumps[key]; !there || to != jump {
				added.Jumps[key] = jump
			}
		}
	}
	return b.elements(added, func(elems []nftables.SetElement) error { return b.SetAddElements(made, elems) })
}

func (b *batch) set(s *Set) *nftables.Set {
	made := &nftables.Set{Table: b.table, Name: s.Name, KeyType: s.Key, IsMap: s.IsMap, Interval: s.Ranges}
	made.Concatenation = len(nftables.ConcatSetTypeElements(s.Key)) > 1
	switch {
	case s.IsMap && s.Data.Bytes == 0:
		made.DataType = nftables.TypeVerdict
	case s.IsMap:
		made.DataType = s.Data
	}
	if s.Brief != nil {
		made.Dynamic, made.HasTimeout, made.Timeout, made.Size = true, true, s.Brief.For, s.Brief.Most
	}
	return made
}

// elements hands a set's elements to f in parts, as an attribute holds 64 KiB.
func (b *batch) elements(s *Set, f func([]nftables.SetElement) error) error {
	all := make([]nftables.SetElement, 0, len(s.Jumps))
	for _, key := range slices.Sorted(maps.Keys(s.Jumps)) { // an end of a range comes after its beginning
		all = append(all, s.element(key, s.Jumps[key])...)
	}
	for part := range slices.Chunk(all, 150) {
		if err := f(part); err != nil {
			return fmt.Errorf("set %s: %w", s.Name, err)
		}
	}
	return nil
}

// element is what nftables has for one key; for a range two.
func (s *Set) element(key, jump string) []nftables.SetElement {
	e := nftables.SetElement{Key: []byte(key)}
	switch half := len(key) / 2; {
	case s.Ranges:
		e.Key = []byte(key[:half])
		return []nftables.SetElement{e, {Key: []byte(key[half:]), IntervalEnd: true}}
	case s.IsMap && s.Data.Bytes == 0:
		e.VerdictData = &expr.Verdict{Kind: expr.VerdictJump, Chain: jump}
	case s.IsMap:
		e.Val = []byte(jump)
	}
	return []nftables.SetElement{e}
}

// with is s with other keys.
func (s *Set) with(jumps map[string]string) *Set {
	other := *s
	other.Jumps = jumps
	return &other
}
