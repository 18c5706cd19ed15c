// Package rewrite writes the heads of messages that the load balancer passes on,
// and its own answers.
//
// Its functions append to a buffer that the caller keeps, and do nothing else.
package rewrite

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
	"github.com/skylift/skylift/internal/edge/match"
	"github.com/skylift/skylift/internal/edge/table"
)

const (
	maxHops  = 30      // addresses in X-Forwarded-For
	maxTrace = 7 << 10 // bytes of a trace that are kept
)

// Hop is what the balancer tells a target of a request beside what the client
// says.
type Hop struct {
	Client     string // the client's address
	ClientPort uint16
	Scheme     string   // http, https
	Port       string   // the listener's
	Host       string   // for a request that has none
	Told       *Headers // of the client's TLS
	table.HTTP
}

// AppendRequest appends the request's head as the target gets it. body is the
// request's.
func AppendRequest(out []byte, r *http1.Request, body *http1.Body, hop *Hop) []byte {
	out = append(append(append(append(out, r.Method...), ' '), r.Target...), " HTTP/1.1\r\n"...)
	var forwarded, trace []byte
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case f.Hop || f.Kind == http1.Host || f.Kind == http1.Said || f.Kind == http1.ForwardedProto || f.Kind == http1.ForwardedPort:
		case f.Kind == http1.ForwardedFor:
			forwarded = appendList(forwarded, f.Value)
		case f.Kind == http1.TraceID:
			trace = f.Value
		case hop.Told.has(f.Name):
		case hop.DropInvalid && f.Kind == http1.Other && !plain(f.Name):
		default:
			out = AppendField(out, f.Name, f.Value)
		}
	}
	out = hop.Told.append(appendForwarded(out, forwarded, hop))
	out = appendTrace(out, trace, time.Now())
	return appendTail(out, r, body, hop)
}

// plain tells whether a name has only letters, digits and hyphens.
func plain(name []byte) bool {
	for _, c := range name {
		if !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// appendForwarded appends where the request comes from.
func appendForwarded(out, forwarded []byte, hop *Hop) []byte {
	own := hop.Forwarded != table.Preserve && hop.Forwarded != table.Remove
	if own || hop.Forwarded == table.Preserve && len(forwarded) > 0 {
		out = append(append(out, "X-Forwarded-For: "...), forwarded...)
		if own {
			if len(forwarded) > 0 {
				out = append(out, ", "...)
			}
			out = appendClient(out, hop)
		}
		out = append(out, "\r\n"...)
	}
	out = append(append(out, "X-Forwarded-Proto: "...), hop.Scheme...)
	out = append(append(out, "\r\nX-Forwarded-Port: "...), hop.Port...)
	return append(out, "\r\n"...)
}

// appendClient appends the client's address, with its port if that is wanted.
func appendClient(out []byte, hop *Hop) []byte {
	if !hop.WithPort {
		return append(out, hop.Client...)
	}
	if strings.Contains(hop.Client, ":") {
		out = append(append(append(out, '['), hop.Client...), ']')
	} else {
		out = append(out, hop.Client...)
	}
	return strconv.AppendUint(append(out, ':'), uint64(hop.ClientPort), 10)
}

// appendTail appends what the balancer says for itself: Host, the framing of
// the body, and the protocol to switch to.
func appendTail(out []byte, r *http1.Request, body *http1.Body, hop *Hop) []byte {
	out = append(appendHost(append(out, "Host: "...), r.Host, hop), "\r\n"...)
	switch {
	case body.Framing == http1.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case body.Told():
		out = AppendLength(out, body.Length)
	}
	if len(r.Switch) > 0 {
		out = append(append(append(out, "Upgrade: "...), r.Switch...), "\r\nConnection: Upgrade\r\n"...)
	} else {
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "\r\n"...)
}

// appendHost appends the host as an Application Load Balancer tells it: in lower
// case, with the listener's port unless that is 80 or 443, where it has none.
func appendHost(out, host []byte, hop *Hop) []byte {
	switch {
	case len(host) == 0:
		out = append(out, hop.Host...)
	case hop.PreserveHost:
		return append(out, host...)
	}
	end := len(host)
	for i := end - 1; i >= 0 && host[i] != ']'; i-- {
		if host[i] == ':' {
			end = i
			break
		}
	}
	port := host[end:]
	for _, c := range host[:end] {
		out = append(out, match.Fold(c))
	}
	switch {
	case hop.Port == "80" || hop.Port == "443":
		return out
	case len(port) > 1:
		return append(out, port...)
	}
	return append(append(out, ':'), hop.Port...)
}

// TraceOf returns the trace that a head has which AppendRequest wrote.
func TraceOf(head []byte) []byte {
	_, rest, _ := bytes.Cut(head, []byte("\r\nX-Amzn-Trace-Id: "))
	trace, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return trace
}

// AppendTrace appends the trace of a request that no target gets.
func AppendTrace(out []byte, r *http1.Request, now time.Time) []byte {
	var trace []byte
	for i := range r.Fields {
		if r.Fields[i].Kind == http1.TraceID {
			trace = r.Fields[i].Value
		}
	}
	return appendTraceValue(out, trace, now)
}

// appendTrace appends the trace header: a new Root, or a Self before the Root
// that the client sent.
func appendTrace(out, trace []byte, now time.Time) []byte {
	out = append(out, "X-Amzn-Trace-Id: "...)
	return append(appendTraceValue(out, trace, now), "\r\n"...)
}

func appendTraceValue(out, trace []byte, now time.Time) []byte {
	if len(trace) > maxTrace {
		trace = nil
	}
	field := "Root="
	if bytes.Contains(trace, []byte("Root=")) {
		field = "Self="
	}
	out = append(append(out, field...), "1-"...)
	out = appendHex(out, uint64(now.Unix()), 8)
	out = appendHex(append(out, '-'), rand.Uint64(), 16)
	out = appendHex(out, rand.Uint64(), 8)
	for part := range bytes.SplitSeq(trace, []byte(";")) {
		if part = bytes.TrimSpace(part); len(part) > 0 && !bytes.HasPrefix(part, []byte("Self=")) {
			out = append(append(out, ';'), part...)
		}
	}
	return out
}

// appendHex appends the last digits of n.
func appendHex(out []byte, n uint64, digits int) []byte {
	const hex = "0123456789abcdef"
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		out = append(out, hex[n>>shift&15])
	}
	return out
}

// AppendStatus appends the status line of an answer.
func AppendStatus(out []byte, r *http1.Response) []byte {
	out = strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(r.Status), 10)
	return append(append(append(out, ' '), r.Reason...), "\r\n"...)
}

// AppendFields appends the fields of an answer that are for more than one hop, and
// those that its listener sets in place of the answer's.
func AppendFields(out []byte, fields []http1.Field, set *Headers) []byte {
	for i := range fields {
		if f := &fields[i]; !f.Hop && !set.has(f.Name) {
			out = AppendField(out, f.Name, f.Value)
		}
	}
	return set.append(out)
}

// AppendField appends a field.
func AppendField(out, name, value []byte) []byte {
	return append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
}

// AppendLength appends the length of a body.
func AppendLength(out []byte, n int64) []byte {
	return append(strconv.AppendInt(append(out, "Content-Length: "...), n, 10), "\r\n"...)
}

// AppendChunk appends a piece of a body as a chunk.
func AppendChunk(out, piece []byte) []byte {
	out = strconv.AppendInt(out, int64(len(piece)), 16)
	return append(append(append(out, "\r\n"...), piece...), "\r\n"...)
}

// AppendConnection appends whether the connection is kept.
func AppendConnection(out []byte, keep bool) []byte {
	if keep {
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "Connection: close\r\n"...)
}

func appendList(list, more []byte) []byte {
	if len(list) > 0 {
		list = append(slices.Clip(list), ", "...)
	}
	return append(list, more...)
}

// TooManyHops tells whether X-Forwarded-For has more addresses than an ALB
// takes.
func TooManyHops(r *http1.Request) bool {
	hops := 0
	for i := range r.Fields {
		if r.Fields[i].Kind == http1.ForwardedFor {
			hops += 1 + bytes.Count(r.Fields[i].Value, []byte(","))
		}
	}
	return hops > maxHops
}
