package http1

import (
	"bytes"
	"strconv"
)

// Error is a message that can't be understood; Status is the answer to a
// request like that.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

func malformed(reason string) error { return &Error{Status: 400, Reason: reason} }

// Field is one line of a head.
type Field struct {
	Name, Value []byte
	Kind        Kind
	// Hop is true for what concerns only this connection: it isn't passed on.
	Hop bool
}

// Kind tells the fields apart that mean something to a proxy.
type Kind uint8

// The fields that mean something; Other is every other one.
const (
	Other Kind = iota
	Host
	ContentLength
	TransferEncoding
	Connection
	KeepAlive
	ProxyConnection
	TE
	Upgrade
	Expect
	HTTP2Settings
	ForwardedFor
	ForwardedProto
	ForwardedPort
	TraceID
	Date
	Cookie
	Said // by the load balancer alone: what a client says of it is not passed on
	SetCookie
)

var kinds = map[string]Kind{
	"host":              Host,
	"content-length":    ContentLength,
	"transfer-encoding": TransferEncoding,
	"connection":        Connection,
	"keep-alive":        KeepAlive,
	"proxy-connection":  ProxyConnection,
	"te":                TE,
	"upgrade":           Upgrade,
	"expect":            Expect,
	"http2-settings":    HTTP2Settings,
	"x-forwarded-for":   ForwardedFor,
	"x-forwarded-proto": ForwardedProto,
	"x-forwarded-port":  ForwardedPort,
	"x-amzn-trace-id":   TraceID,
	"date":              Date,
	"cookie":            Cookie,
	"set-cookie":        SetCookie,
}

// said are how the names begin that targets trust a load balancer with.
var said = [][]byte{[]byte("x-amzn-mtls-"), []byte("x-amzn-oidc-"), []byte("x-amzn-tls-")}

// kindOf folds the name's case in an array, so that the lookup takes no
// memory.
func kindOf(name []byte) Kind {
	for _, p := range said {
		if len(name) > len(p) && bytes.EqualFold(name[:len(p)], p) {
			return Said
		}
	}
	var low [17]byte // as long as the longest
	if len(name) > len(low) || len(name) < 2 {
		return Other
	}
	for i, c := range name {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	return kinds[string(low[:len(name)])]
}

// framing says how long a message's body is.
type framing struct {
	length  int64 // -1: not told
	chunked bool
	coded   bool // has a Transfer-Encoding at all
	twice   bool // the length is told twice
}

// maxOptions is how many options Connection may name: each is looked for in
// all fields.
const maxOptions = 64

// head is what requests and responses have in common.
type head struct {
	Fields  []Field
	framing framing
	close   bool
	keep    bool
	upgrade bool // Connection names it
	options int  // of Connection

	bare       bool // a line ends without a carriage return
	suspicious bool // a name is nearly that of a framing header
}

// parse reads the lines after the first.
func (h *head) parse(p []byte) error {
	*h = head{Fields: h.Fields[:0], framing: framing{length: -1}}
	for {
		line, rest := cutLine(p)
		h.bare = h.bare || len(p)-len(rest)-len(line) == 1
		if len(line) == 0 {
			break
		}
		f, err := parseField(line)
		if err != nil {
			return err
		}
		if err := h.note(&f); err != nil {
			return err
		}
		h.Fields = append(h.Fields, f)
		p = rest
	}
	if h.options > maxOptions {
		return malformed("too many Connection options")
	}
	if h.options > 0 {
		h.dropOptions()
	}
	return nil
}

func parseField(line []byte) (Field, error) {
	i := bytes.IndexByte(line, ':')
	if i <= 0 {
		return Field{}, malformed("header line without a name") // also a folded line
	}
	name, value := line[:i], trim(line[i+1:])
	for _, c := range name {
		if !isToken(c) {
			return Field{}, malformed("header name with an invalid character")
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return Field{}, malformed("header value with an invalid character")
		}
	}
	return Field{Name: name, Value: value, Kind: kindOf(name)}, nil
}

// note takes in what a field says about the message.
func (h *head) note(f *Field) error {
	switch f.Kind {
	case ContentLength:
		f.Hop = true // whoever writes the message frames it
		return h.framing.setLength(f.Value)
	case TransferEncoding:
		f.Hop = true
		return h.framing.setCoding(f.Value)
	case Connection:
		f.Hop = true
		for option := range options(f.Value) {
			h.options++
			switch {
			case bytes.EqualFold(option, []byte("close")):
				h.close = true
			case bytes.EqualFold(option, []byte("keep-alive")):
				h.keep = true
			case bytes.EqualFold(option, []byte("upgrade")):
				h.upgrade = true
			}
		}
	case KeepAlive, ProxyConnection, Upgrade, HTTP2Settings:
		f.Hop = true
	case TE:
		f.Hop = !bytes.EqualFold(f.Value, []byte("trailers"))
	case Other:
		h.suspicious = h.suspicious || suspicious(f.Name)
	}
	return nil
}

func (m *framing) setLength(value []byte) error {
	if len(value) == 0 || len(value) > 18 {
		return malformed("invalid Content-Length")
	}
	for _, c := range value {
		if c < '0' || '9' < c {
			return malformed("invalid Content-Length")
		}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil || m.length >= 0 && m.length != n {
		return malformed("Content-Length given twice")
	}
	m.twice = m.twice || m.length >= 0
	m.length = n
	return nil
}

func (m *framing) setCoding(value []byte) error {
	if m.coded {
		return malformed("Transfer-Encoding given twice")
	}
	m.coded = true
	switch {
	case bytes.EqualFold(value, []byte("chunked")):
		m.chunked = true
	case !bytes.EqualFold(value, []byte("identity")):
		return &Error{Status: 501, Reason: "unknown Transfer-Encoding"}
	}
	return nil
}

// dropOptions marks the fields that Connection names as this hop's, except
// those that mean something: they say where a message goes and who sent it.
func (h *head) dropOptions() {
	for i := range h.Fields {
		if h.Fields[i].Kind != Connection {
			continue
		}
		for option := range options(h.Fields[i].Value) {
			for j := range h.Fields {
				f := &h.Fields[j]
				if f.Kind == Other && bytes.EqualFold(f.Name, option) {
					f.Hop = true
				}
			}
		}
	}
}

// options are the elements of a comma-separated list.
func options(list []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(list) > 0 {
			option, rest, _ := bytes.Cut(list, []byte(","))
			if option = trim(option); len(option) > 0 && !yield(option) {
				return
			}
			list = rest
		}
	}
}

// cutLine splits p after its first line, which is returned without its end.
func cutLine(p []byte) (line, rest []byte) {
	i := bytes.IndexByte(p, '\n')
	if i < 0 {
		return nil, nil
	}
	line, rest = p[:i], p[i+1:]
	if i > 0 && line[i-1] == '\r' {
		line = line[:i-1]
	}
	return line, rest
}

func trim(p []byte) []byte {
	for len(p) > 0 && (p[0] == ' ' || p[0] == '\t') {
		p = p[1:]
	}
	for len(p) > 0 && (p[len(p)-1] == ' ' || p[len(p)-1] == '\t') {
		p = p[:len(p)-1]
	}
	return p
}

// tokens are the characters of names and methods, by RFC 9110.
var tokens = func() (t [256]bool) {
	for c := '0'; c <= '9'; c++ {
		t[c] = true
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		t[c] = true
	}
	return t
}()

func isToken(c byte) bool { return tokens[c] }
