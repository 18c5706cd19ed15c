package rewrite

import (
	"bytes"

	"github.com/skylift/skylift/internal/edge/table"
)

// Headers are those that a listener sets in each answer. nil sets none.
type Headers struct {
	names     [][]byte
	lines     []byte
	anonymous bool // the balancer's own answers have no Server header
}

// NewHeaders makes the headers of a listener ready; nil if it has none.
func NewHeaders(set []table.Header, anonymous bool) *Headers {
	if len(set) == 0 && !anonymous {
		return nil
	}
	h := &Headers{anonymous: anonymous}
	for _, s := range set {
		h.names = append(h.names, []byte(s.Name))
		h.lines = AppendField(h.lines, []byte(s.Name), []byte(s.Value))
	}
	return h
}

func (h *Headers) has(name []byte) bool {
	if h == nil {
		return false
	}
	for _, n := range h.names {
		if bytes.EqualFold(n, name) {
			return true
		}
	}
	return false
}

func (h *Headers) append(out []byte) []byte {
	if h == nil {
		return out
	}
	return append(out, h.lines...)
}
