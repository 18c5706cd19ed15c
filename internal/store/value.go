package store

import "sync/atomic"

// Value is what a row holds: bytes, and once a table has read it also the record
// that they encode, so that a record is decoded once however many read it.
// A Value never changes.
type Value struct {
	bytes  []byte
	record atomic.Pointer[any] // a *T of the table that read it
}

// NewValue returns a row's value; b is the Value's from now on.
func NewValue(b []byte) *Value {
	if b == nil {
		b = []byte{}
	}
	return &Value{bytes: b}
}

// Bytes returns the bytes, which must not be changed.
func (v *Value) Bytes() []byte { return v.bytes }

// String returns the bytes as a string; "" where there is no value.
func (v *Value) String() string {
	if v == nil {
		return ""
	}
	return string(v.bytes)
}
