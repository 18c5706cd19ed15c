package nft

import (
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
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

// Rewrite makes p the table's content, whatever it was, in one transaction: a
// packet meets the old rules or the new ones. The chains with hooks stay, so
// that there is no moment without one.
func Rewrite(name string, p *Program) error {
	old, err := readTable(name)
	if err != nil {
		return err
	}
	return transact(name, func(b *batch) error {
		old.clear(b)
		return b.change(&Program{}, p)
	})
}

// Update makes p the table's content, which is old now, in one transaction that
// holds only the difference.
func Update(name string, old, p *Program) error {
	return transact(name, func(b *batch) error { return b.change(old, p) })
}

// transact has the kernel do all that f writes, or nothing.
func transact(name string, f func(*batch) error) error {
	c, err := dial()
	if err != nil {
		return err
	}
	b := &batch{Conn: c, table: c.AddTable(tableOf(name))}
	if err := f(b); err != nil {
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

// Exists tells whether there is a table with that name.
func Exists(name string) (bool, error) {
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

// Delete deletes a table, if there is one with that name.
func Delete(name string) error {
	found, err := Exists(name)
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

// Elements returns the keys of the elements that a set of a table has; none when there is no such set.
func Elements(table, set string) ([][]byte, error) {
	old, err := readTable(table)
	if err != nil || !slices.ContainsFunc(old.sets, func(s *nftables.Set) bool { return s.Name == set }) {
		return nil, err
	}
	c, err := dial()
	if err != nil {
		return nil, err
	}
	elements, err := c.GetSetElements(&nftables.Set{Table: tableOf(table), Name: set})
	if err != nil {
		return nil, fmt.Errorf("list set %s of %s: %w", set, table, err)
	}
	keys := make([][]byte, len(elements))
	for i, e := range elements {
		keys[i] = e.Key
	}
	return keys, nil
}
