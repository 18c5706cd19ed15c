// Package rule finds the rule that a request meets, among a hundred as fast as
// among a few.
//
// An index of what the conditions ask for leaves few rules that the request may
// meet. Each of those is held against the request, in order: the index alone
// never decides. Finding a rule takes no memory.
package rule

import (
	"fmt"
	"math/bits"
	"net/netip"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/table"
)

// Request is what of a request conditions look at.
type Request struct {
	Method []byte
	Host   []byte // without a port
	Path   []byte // normalised
	Query  []byte // behind the "?"
	Fields []http1.Field
	Client netip.Addr
}

// Set is rules in the order they are tried, ready for requests.
type Set struct {
	rules []conditions
	index index
}

// Compile makes rules ready for requests. A rule that can't be read is met by no
// request; the error is the first one's.
func Compile(rules []table.Rule) (*Set, error) {
	s := &Set{rules: make([]conditions, len(rules))}
	var first error
	for i := range rules {
		var err error
		if s.rules[i], err = compile(rules[i].Conditions); err != nil && first == nil {
			first = fmt.Errorf("read rule %s: %w", rules[i].ID, err)
		}
	}
	s.index = newIndex(s.rules)
	return s, first
}

// Find returns the number of the first rule that the request meets, -1 if it
// meets none.
func (s *Set) Find(r *Request) int {
	if len(s.rules) == 0 {
		return -1
	}
	var n narrowed
	s.index.narrow(&n, r)
	for word := range s.index.pool.words {
		for left := n.word(&s.index.pool, word); left != 0; left &= left - 1 {
			i := word<<6 + bits.TrailingZeros64(left)
			if i < len(s.rules) && s.rules[i].met(r) {
				return i
			}
		}
	}
	return -1
}

// maxHost is the length of the longest name of a host.
const maxHost = 255

// MatchHost tells whether host is one that any rule asks for.
func (s *Set) MatchHost(host []byte) bool {
	if len(host) > maxHost || s.index.hosts == nil {
		return false
	}
	var n narrowed
	s.index.hosts.narrow(&n, host)
	for word := range s.index.pool.words {
		for left := n.word(&s.index.pool, word); left != 0; left &= left - 1 {
			i := word<<6 + bits.TrailingZeros64(left)
			if i >= len(s.rules) {
				break
			}
			if c := s.rules[i].first(table.HostHeader, nil); c != nil && !c.never && c.text(host) {
				return true
			}
		}
	}
	return false
}
