package rewrite

import (
	"bytes"
	"cmp"
	"net/http"
	"strings"

	"github.com/skylift/skylift/internal/edge/table"
)

// maxLocation bounds where a redirect leads: it is as long as a request line may be.
const maxLocation = 16 << 10

// Origin is what of a request a redirect may keep.
type Origin struct {
	Protocol string // http or https
	Host     []byte // without a port
	Port     string // the listener's
	Path     []byte
	Query    []byte
}

// Redirect is a redirect action, ready for requests.
type Redirect struct {
	status   int
	reason   string
	protocol string // in lower case; "" for the request's
	parts    []part // behind the protocol
}

// part is a text, or what keyword asks for.
type part struct {
	text    string
	keyword keyword
}

type keyword uint8

const (
	literal keyword = iota
	protocol
	host
	port
	path
	query
)

var keywords = map[string]keyword{"protocol": protocol, "host": host, "port": port, "path": path, "query": query}

// NewRedirect makes a redirect action ready.
func NewRedirect(said *table.Redirect) *Redirect {
	r := &Redirect{status: said.Status, reason: http.StatusText(said.Status), protocol: strings.ToLower(said.Protocol)}
	if strings.HasPrefix(r.protocol, "#{") {
		r.protocol = ""
	}
	r.add("://" + cmp.Or(said.Host, "#{host}") + ":" + cmp.Or(said.Port, "#{port}") + cmp.Or(said.Path, "/#{path}"))
	if q := cmp.Or(said.Query, "#{query}"); q != "" {
		r.parts = append(r.parts, part{text: "?"})
		r.add(q)
	}
	return r
}

// add takes a text with keywords apart.
func (r *Redirect) add(text string) {
	for text != "" {
		before, rest, ok := strings.Cut(text, "#{")
		name, after, closed := strings.Cut(rest, "}")
		key := keywords[name]
		switch {
		case !ok || !closed:
			before, after = text, ""
		case key == literal:
			before, after = before+"#{", rest
		}
		if before != "" {
			r.parts = append(r.parts, part{text: before})
		}
		if key != literal && ok && closed {
			r.parts = append(r.parts, part{keyword: key})
		}
		text = after
	}
}

// Location appends where the redirect leads; ok is false if that is too long.
func (r *Redirect) Location(out []byte, o *Origin) (location []byte, ok bool) {
	begin := len(out)
	out = append(out, cmp.Or(r.protocol, o.Protocol)...)
	for i := range r.parts {
		switch p := &r.parts[i]; p.keyword {
		case literal:
			out = append(out, p.text...)
		case protocol:
			out = append(out, o.Protocol...)
		case host:
			out = append(out, o.Host...)
		case port:
			out = append(out, o.Port...)
		case path:
			out = append(out, bytes.TrimPrefix(o.Path, []byte("/"))...)
		case query:
			out = append(out, o.Query...)
		}
	}
	if n := len(out); out[n-1] == '?' && len(o.Query) == 0 {
		out = out[:n-1]
	}
	return out, len(out)-begin <= maxLocation
}

// Answer is the answer that leads to location.
func (r *Redirect) Answer(location []byte) Answer {
	a := page(r.status, r.reason)
	a.location = location
	return a
}
