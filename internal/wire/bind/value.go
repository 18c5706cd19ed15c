package bind

// ValueKind is what a Value is on the wire.
type ValueKind uint8

// The kinds of values that protocols know. Plain is a scalar of a protocol that does not tell
// strings, numbers and booleans apart. Mixed is both a scalar and a structure, which fits no type. Streamed is a body that
// is there and has not been read.
const (
	Null ValueKind = iota
	True
	False
	Number
	Text
	Plain
	Array
	Object
	Mixed
	Streamed
)

// Value is a parsed request, or a part of it: what every protocol's codec reads a body into.
type Value struct {
	Kind  ValueKind
	Text  string   // of Text, Plain and Number (its literal)
	Items []Value  // of Array and Object
	Names []string // of Object: the name of each item
}
