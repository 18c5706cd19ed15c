package http1

import "bytes"

// Limits of an Application Load Balancer, which can't be changed there either.
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
const (
	MaxLine  = 16 << 10 // of a request line, and of a header line that isn't a Cookie
	MaxHead  = 64 << 10 // of all of a request's header lines
	MaxReply = 32 << 10 // of an answer's head
)

// Request is the head of a request. Its slices are good until the reader it
// came from is read again.
type Request struct {
	head
	Method []byte
	Target []byte // in origin form: a path and a query, or "*"
	Host   []byte
	Minor  byte   // of the version: 0 or 1
	Switch []byte // the protocol to upgrade to, if that is asked for
	Expect bool   // "100-continue"
}

// Parse reads a whole head. Any error is an *Error.
func (r *Request) Parse(p []byte) error {
	line, rest := cutLine(p)
	r.Host, r.Switch, r.Expect = nil, nil, false
	if len(line) > MaxLine {
		return &Error{Status: 414, Reason: "request line too long"}
	}
	if err := r.parseLine(line); err != nil {
		return err
	}
	if len(rest) > MaxHead {
		return malformed("headers too long")
	}
	if err := r.parse(rest); err != nil {
		return err
	}
	r.bare = r.bare || len(p)-len(rest)-len(line) == 1
	if err := r.check(); err != nil {
		return err
	}
	if bytes.Equal(r.Method, []byte("TRACE")) {
		return &Error{Status: 405, Reason: "TRACE is not allowed"}
	}
	return nil
}

func (r *Request) parseLine(line []byte) error {
	var version []byte
	i := bytes.IndexByte(line, ' ')
	j := bytes.LastIndexByte(line, ' ')
	if i <= 0 || i == j {
		return malformed("malformed request line")
	}
	r.Method, r.Target, version = line[:i], line[i+1:j], line[j+1:]
	for _, c := range r.Method {
		if !isToken(c) {
			return malformed("malformed method")
		}
	}
	if len(r.Target) == 0 || bytes.Equal(r.Method, []byte("CONNECT")) {
		return malformed("malformed request target")
	}
	if !IsTarget(r.Target) {
		return malformed("malformed request target")
	}
	if len(version) != 8 || !bytes.HasPrefix(version, []byte("HTTP/")) {
		return malformed("malformed HTTP version")
	}
	if version[5] != '1' || version[6] != '.' || version[7] < '0' || '1' < version[7] {
		return &Error{Status: 505, Reason: "HTTP version not supported"}
	}
	r.Minor = version[7] - '0'
	return r.originForm()
}

// originForm takes the authority out of an absolute target.
func (r *Request) originForm() error {
	if r.Target[0] == '/' || len(r.Target) == 1 && r.Target[0] == '*' {
		return nil
	}
	scheme, rest, ok := bytes.Cut(r.Target, []byte("://"))
	if !ok || !bytes.EqualFold(scheme, []byte("http")) && !bytes.EqualFold(scheme, []byte("https")) {
		return malformed("malformed request target")
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		r.Host, r.Target = rest, []byte("/")
		return nil
	}
	if rest[end] != '/' {
		return malformed("malformed request target")
	}
	r.Host, r.Target = rest[:end], rest[end:]
	return nil
}

// check takes in what a request's fields say, and that they say it once.
func (r *Request) check() error {
	hosts := 0
	var protocol []byte
	for i := range r.Fields {
		f := &r.Fields[i]
		if len(f.Name)+len(": ")+len(f.Value) >= MaxLine && f.Kind != Cookie {
			return malformed("header too long")
		}
		switch f.Kind {
		case Host:
			hosts++
			if r.Host == nil {
				r.Host = f.Value
			}
		case Upgrade:
			protocol = f.Value
		case Expect:
			r.Expect = bytes.EqualFold(f.Value, []byte("100-continue"))
		}
	}
	if hosts > 1 || hosts == 0 && r.Minor == 1 || len(r.Host) == 0 && r.Minor == 1 {
		return malformed("not exactly one Host")
	}
	if !IsHost(r.Host) {
		return malformed("malformed Host")
	}
	if r.upgrade && len(protocol) > 0 && !bytes.EqualFold(protocol, []byte("h2c")) {
		r.Switch = protocol
	}
	if r.Minor == 0 && r.framing.chunked {
		return malformed("chunked body in HTTP/1.0")
	}
	return nil
}

// IsTarget tells whether a target has no byte that a request line can't have.
func IsTarget(target []byte) bool {
	for _, c := range target {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// IsHost tells whether a host has no byte that nobody's host has.
func IsHost(host []byte) bool {
	for _, c := range host {
		if c <= ' ' || c == 0x7f || c == '/' || c == ',' || c == '@' || c == '\\' {
			return false
		}
	}
	return true
}

// Split returns the target's path, and the query behind it.
func (r *Request) Split() (path, query []byte) {
	path, query, _ = bytes.Cut(r.Target, []byte("?"))
	if i := bytes.IndexByte(path, '#'); i >= 0 {
		return path[:i], nil
	}
	query, _, _ = bytes.Cut(query, []byte("#"))
	return path, query
}

// IsGRPC tells whether the request's body is that of a gRPC call.
func (r *Request) IsGRPC() bool {
	const kind = "application/grpc"
	for i := range r.Fields {
		f := &r.Fields[i]
		if f.Kind == Other && len(f.Value) >= len(kind) && bytes.EqualFold(f.Name, []byte("content-type")) && bytes.EqualFold(f.Value[:len(kind)], []byte(kind)) {
			return true
		}
	}
	return false
}

// Closes tells whether the connection ends with this request: because the
// client says so, or because it could be read differently by others.
func (r *Request) Closes() bool {
	ambiguous := r.framing.coded && r.framing.length >= 0
	return r.close || ambiguous || r.Minor == 0 && !r.keep
}

// Body is the request's body, which is read from b behind the head.
func (r *Request) Body(b *Reader) Body {
	switch {
	case r.framing.chunked:
		return Body{src: b, Framing: Chunked}
	case r.framing.length > 0:
		return Body{src: b, Framing: Sized, Length: r.framing.length, left: r.framing.length}
	default:
		return Body{src: b, Framing: None, Length: max(0, r.framing.length), told: r.framing.length == 0}
	}
}
