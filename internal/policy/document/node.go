package document

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// maxDepth is more levels than a policy has.
const maxDepth = 16

var errSyntax = errors.New("not the JSON of a policy")

// A node is a value of JSON, with where it stands in the text.
type node struct {
	kind       byte             // '{', '[', 's' for a text, 'n' for a number, 'b' for a truth value, '0' for null
	text       string           // of a scalar
	list       []*node          // of an array
	members    map[string]*node // of an object
	names      []string         // of the members, in their order
	start, end int64
}

// parseJSON reads a text that is one value of JSON. A name that an object has
// twice is an error.
func parseJSON(text string) (*node, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	n, err := parseNode(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errSyntax
	}
	return n, nil
}

func parseNode(d *json.Decoder, depth int) (*node, error) {
	t, err := d.Token()
	if err != nil || depth > maxDepth {
		return nil, errors.Join(err, errSyntax)
	}
	n := &node{end: d.InputOffset()}
	switch v := t.(type) {
	case json.Delim:
		n.kind, n.start = byte(v), n.end-1
		return n, n.parseInside(d, depth)
	case string:
		n.kind, n.text = 's', v
	case json.Number:
		n.kind, n.text = 'n', v.String()
	case bool:
		n.kind, n.text = 'b', "false"
		if v {
			n.text = "true"
		}
	default:
		n.kind = '0'
	}
	return n, nil
}

// parseInside reads what an object or an array holds, to its end.
func (n *node) parseInside(d *json.Decoder, depth int) error {
	for d.More() {
		name := ""
		if n.kind == '{' {
			t, err := d.Token()
			if err != nil {
				return err
			}
			name = t.(string) // the decoder takes nothing else there
		}
		child, err := parseNode(d, depth+1)
		if err != nil {
			return err
		}
		if n.kind == '[' {
			n.list = append(n.list, child)
			continue
		}
		if n.members == nil {
			n.members = map[string]*node{}
		}
		if n.members[name] != nil {
			return errSyntax
		}
		n.members[name] = child
		n.names = append(n.names, name)
	}
	_, err := d.Token()
	n.end = d.InputOffset()
	return err
}

// items returns the elements of an array, and anything else as the only one.
func (n *node) items() []*node {
	if n.kind == '[' {
		return n.list
	}
	return []*node{n}
}

// texts returns a text, or a list of texts. With scalars, numbers and truth values are texts too.
func (n *node) texts(scalars bool) ([]string, error) {
	list := []string{}
	for _, item := range n.items() {
		switch {
		case item.kind == 's', scalars && (item.kind == 'n' || item.kind == 'b'):
			list = append(list, item.text)
		default:
			return nil, errSyntax
		}
	}
	return list, nil
}
