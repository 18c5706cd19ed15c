package rule

import (
	"slices"
	"strings"

	"github.com/skylift/skylift/internal/edge/match"
)

// tree finds, for a text, the rules that ask for a text that begins like it, in
// one walk over the text. A tree may be walked from the texts' ends.
type tree struct {
	backwards, fold bool
	root            node
}

// node is a part of the texts that rules ask for.
type node struct {
	label string
	kids  []node // by the first bytes of their labels
	open  place  // rules that ask for no more than what led here
	whole place  // and those that ask for just that
}

// literal is a text that a rule asks for; closed says that nothing may follow.
type literal struct {
	text   string
	closed bool
	rule   int
}

// newTree makes a tree of literals. A text that none fits has the rules of base,
// which all others have, too.
func (p *pool) newTree(literals []literal, base set, backwards, fold bool) *tree {
	if backwards {
		for i := range literals {
			b := []byte(literals[i].text)
			slices.Reverse(b)
			literals[i].text = string(b)
		}
	}
	slices.SortFunc(literals, func(a, b literal) int { return strings.Compare(a.text, b.text) })
	return &tree{backwards, fold, p.newNode(literals, 0, 0, base)}
}

// newNode makes the node whose label is the bytes from and to of the literals,
// which are sorted and alike up to there.
func (p *pool) newNode(literals []literal, from, to int, base set) node {
	var n node
	if len(literals) > 0 {
		n.label = literals[0].text[from:to]
	}
	open, whole := slices.Clone(base), p.empty()
	for len(literals) > 0 && len(literals[0].text) == to {
		if !literals[0].closed {
			open.add(literals[0].rule)
		}
		whole.add(literals[0].rule)
		literals = literals[1:]
	}
	whole.or(open)
	n.open, n.whole = p.keep(open), p.keep(whole)
	for len(literals) > 0 {
		end := 1
		for end < len(literals) && literals[end].text[to] == literals[0].text[to] {
			end++
		}
		n.kids = append(n.kids, p.newNode(literals[:end], to, to+common(literals[0].text[to:], literals[end-1].text[to:]), open))
		literals = literals[end:]
	}
	return n
}

// common is how far two texts are alike.
func common(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// find returns the rules that may ask for s.
func (t *tree) find(s []byte) place {
	n, at := &t.root, 0
	for at < len(s) {
		kid := n.kid(t.char(s, at))
		if kid == nil || len(s)-at < len(kid.label) {
			return n.open
		}
		for i := 1; i < len(kid.label); i++ {
			if t.char(s, at+i) != kid.label[i] {
				return n.open
			}
		}
		n, at = kid, at+len(kid.label)
	}
	return n.whole
}

func (n *node) kid(first byte) *node {
	for i := range n.kids {
		if n.kids[i].label[0] == first {
			return &n.kids[i]
		}
	}
	return nil
}

// char is the byte of s that a walk comes to at i.
func (t *tree) char(s []byte, i int) byte {
	if t.backwards {
		i = len(s) - 1 - i
	}
	if t.fold {
		return match.Fold(s[i])
	}
	return s[i]
}
