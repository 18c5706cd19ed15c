// Package nft writes tables of nftables as whole programs: by the difference to
// what is there, in one transaction, and with a seal that tells whether somebody
// else has changed the table since.
package nft

import (
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
)

// Program is the whole content of a table.
type Program struct {
	Sets   map[string]*Set
	Chains map[string]*Chain
}

// Chain is a chain and its rules; one with a hook is called by the kernel.
type Chain struct {
	Name  string
	Hook  *Hook
	Rules [][]expr.Any
}

// Hook is where the kernel calls a chain.
type Hook struct {
	Kind     nftables.ChainType
	At       *nftables.ChainHook
	Priority nftables.ChainPriority
}

// Set is a set of keys or, when it is a map, of keys and where to jump or, when it has Data, what they stand for.
type Set struct {
	Name  string
	Key   nftables.SetDatatype
	IsMap bool
	Data  nftables.SetDatatype // of what keys stand for; zero: they lead to chains
	// Ranges says that each key is two of Key's: the first and the one after the last of a range. None overlap.
	Ranges bool
	Jumps  map[string]string // key → the chain to jump to, or the data; "" in a set
	Brief  *Brief            // the kernel adds to it by itself, and forgets; nil: it does not
}

// Brief bounds what the kernel adds to a set by itself.
type Brief struct {
	For  time.Duration // that an element stays
	Most uint32        // elements
}
