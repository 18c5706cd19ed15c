package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync/atomic"
)

// Value is what a row holds: bytes, and once a table has read it the record that
// they encode, so that a record is decoded once however many read it. A Value
// never changes.
type Value struct {
	written bool // the bytes may go when there is a record
	content atomic.Pointer[content]
}

// content is one form of a value, or both. Bytes that were dropped leave their sum.
type content struct {
	bytes  []byte
	sum    [sha256.Size]byte
	record any // a *T of the table that read it
}

var empty content

// NewValue returns a row's value; b is the Value's from now on.
func NewValue(b []byte) *Value {
	v := new(Value)
	v.content.Store(&empty)
	if len(b) > 0 {
		v.content.Store(&content{bytes: b})
	}
	return v
}

// WrittenValue is NewValue for a row that is in a database already. Once a table
// has read it, the value keeps only the record: else most of a store's memory would
// be bytes that nobody reads.
func WrittenValue(b []byte) *Value {
	v := NewValue(b)
	v.written = true
	return v
}

// Equal says whether the value is b.
func (v *Value) Equal(b []byte) bool {
	c := v.content.Load()
	if v.gone(c) {
		return sha256.Sum256(b) == c.sum
	}
	return bytes.Equal(c.bytes, b)
}

// gone says whether the bytes of c, which is of v, went.
func (v *Value) gone(c *content) bool { return v.written && c.record != nil }

// String returns the bytes as a string; "" where there is no value. It panics
// for a WrittenValue that a table has read.
func (v *Value) String() string {
	if v == nil {
		return ""
	}
	c := v.content.Load()
	if v.gone(c) {
		panic("store: the bytes of a row that a table has read are asked for")
	}
	return string(c.bytes)
}

// read returns the record, which is shared and must not be changed.
func read[T any](v *Value) (*T, error) {
	c := v.content.Load()
	if r, ok := c.record.(*T); ok {
		return r, nil
	}
	if v.gone(c) {
		return nil, fmt.Errorf("the row is a %T", c.record)
	}
	r := new(T)
	if err := json.Unmarshal(c.bytes, r); err != nil {
		return nil, err
	}
	now := &content{record: r, bytes: c.bytes}
	if v.written {
		now.bytes, now.sum = nil, sha256.Sum256(c.bytes)
	}
	v.content.Store(now)
	return r, nil
}
