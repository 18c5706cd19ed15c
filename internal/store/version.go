package store

import (
	"encoding/json"
	"fmt"
)

// Step turns a record of one version into what the next version has in its place.
// It is a pure function: it may run again for a record, with the same result.
type Step func(key string, old []byte) (Next, error)

// Next is the result of a Step.
type Next struct {
	Record []byte   // its JSON in the next version; nil: the record goes
	Others []Record // what it gives rise to in other tables, in their present form
}

// Record is a record on its way into a table: see Table.Record.
type Record struct{ put func(Tx) error }

// Record returns the record v at key, for a Step of another table to give rise to.
func (t *Table[T]) Record(key string, v T) Record {
	return Record{func(tx Tx) error { return t.Put(tx, key, v) }}
}

// Version says that the table's records, or its indexes, have another form since
// version n, and how a record of the version before becomes one of n: nil where
// only what the indexes find has changed. It returns t, and is for the table's
// declaration, once for each version from 2 on.
func (t *Table[T]) Version(n int, step Step) *Table[T] {
	if n != t.current()+1 {
		panic(fmt.Sprintf("store: version %d of %s follows %d", n, t.name, t.current()))
	}
	t.steps = append(t.steps, step)
	return t
}

// Schema is a table as Upgrade sees it. Every *Table is one.
type Schema interface {
	// Name is the table's.
	Name() string
	// Decode returns the record that a row of the table is, in its present form.
	Decode(row []byte) (record any, err error)
	current() int        // the version of this program
	step(from int) Step  // from a version to the next one
	prefix() string      // of its rows
	indexPrefix() string // of its index entries
	indexNames() []string
	entries(key string, v *Value) ([]string, error) // of the indexes, for a row
}

// Name is the name that the table was declared with.
func (t *Table[T]) Name() string { return t.name }

// Decode returns the T that row is.
func (t *Table[T]) Decode(row []byte) (any, error) {
	var v T
	err := json.Unmarshal(row, &v)
	return v, err
}

func (t *Table[T]) current() int        { return 1 + len(t.steps) }
func (t *Table[T]) step(from int) Step  { return t.steps[from-1] }
func (t *Table[T]) prefix() string      { return t.row("") }
func (t *Table[T]) indexPrefix() string { return "x/" + t.name + "/" }

func (t *Table[T]) indexNames() []string {
	names := make([]string, len(t.indexes))
	for i, ix := range t.indexes {
		names[i] = ix.Name
	}
	return names
}

func (t *Table[T]) entries(key string, v *Value) (out []string, err error) {
	if len(t.indexes) == 0 {
		return nil, nil
	}
	r, err := t.decode(key, v)
	if err != nil {
		return nil, err
	}
	for _, ix := range t.indexes {
		for _, s := range ix.Values(*r) {
			out = append(out, t.entry(ix.Name, s, key))
		}
	}
	return out, nil
}
