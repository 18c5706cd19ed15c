package vpc

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

// rewrite makes p the table's content, whatever it was, in one transaction: a
// packet meets the old rules or the new ones. The chains with hooks stay, so
// that there is no moment without one.
func rewrite(name string, p *program) error {
	old, err := readTable(name)
	if err != nil {
		return err
	}
	return transact(name, func(b *batch) error {
		old.clear(b)
		return b.change(&program{}, p)
	})
}

// update makes p the table's content, which is old now, in one transaction that
// holds only the difference.
func update(name string, old, p *program) error {
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
