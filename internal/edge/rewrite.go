package edge

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

// maxHops is how many addresses X-Forwarded-For may have.
const maxHops = 30

// appendRequest appends the request's head as the target gets it.
func (c *conn) appendRequest(out []byte, rt *route) []byte {
	r := &c.req
	out = append(append(append(append(out, r.Method...), ' '), r.Target...), " HTTP/1.1\r\n"...)
	var forwarded, trace []byte
	for i := range r.Fields {
		f := &r.Fields[i]
		switch {
		case f.Hop || f.Kind == http1.Host || f.Kind == http1.ForwardedProto || f.Kind == http1.ForwardedPort:
		case f.Kind == http1.ForwardedFor:
			forwarded = appendList(forwarded, f.Value)
		case f.Kind == http1.TraceID:
			trace = f.Value
		default:
			out = appendField(out, f.Name, f.Value)
		}
	}
	out = append(out, "X-Forwarded-For: "...)
	if len(forwarded) > 0 {
		out = append(append(out, forwarded...), ", "...)
	}
	out = append(append(out, c.name...), "\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: "...)
	out = append(append(out, rt.port...), "\r\n"...)
	out = appendTrace(out, trace, time.Now())
	return c.appendTail(out, rt)
}

// appendTail appends what the balancer says for itself: Host, the framing of
// the body, and the protocol to switch to.
func (c *conn) appendTail(out []byte, rt *route) []byte {
	r := &c.req
	out = append(out, "Host: "...)
	if len(r.Host) > 0 {
		out = append(out, r.Host...)
	} else {
		out = append(out, rt.name...)
	}
	out = append(out, "\r\n"...)
	switch {
	case c.body.Framing == http1.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case c.body.Told():
		out = appendLength(out, c.body.Length)
	}
	if len(r.Switch) > 0 {
		out = append(append(append(out, "Upgrade: "...), r.Switch...), "\r\nConnection: Upgrade\r\n"...)
	} else {
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "\r\n"...)
}

// appendTrace appends the trace header: a new Root, or a Self before the Root
// that is there.
func appendTrace(out, trace []byte, now time.Time) []byte {
	out = append(out, "X-Amzn-Trace-Id: "...)
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
	return append(out, "\r\n"...)
}

// appendHex appends the last digits of n.
func appendHex(out []byte, n uint64, digits int) []byte {
	const hex = "0123456789abcdef"
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		out = append(out, hex[n>>shift&15])
	}
	return out
}

// appendStatus appends the status line of an answer.
func appendStatus(out []byte, r *http1.Response) []byte {
	out = strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(r.Status), 10)
	return append(append(append(out, ' '), r.Reason...), "\r\n"...)
}

// appendFields appends the fields that aren't for one hop only.
func appendFields(out []byte, fields []http1.Field) []byte {
	for i := range fields {
		if f := &fields[i]; !f.Hop {
			out = appendField(out, f.Name, f.Value)
		}
	}
	return out
}

func appendField(out, name, value []byte) []byte {
	return append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
}

func appendLength(out []byte, n int64) []byte {
	return append(strconv.AppendInt(append(out, "Content-Length: "...), n, 10), "\r\n"...)
}

func appendChunk(out, piece []byte) []byte {
	out = strconv.AppendInt(out, int64(len(piece)), 16)
	return append(append(append(out, "\r\n"...), piece...), "\r\n"...)
}

func appendList(list, more []byte) []byte {
	if len(list) > 0 {
		list = append(slices.Clip(list), ", "...)
	}
	return append(list, more...)
}

// tooManyHops tells whether X-Forwarded-For has more addresses than an ALB
// takes.
func tooManyHops(r *http1.Request) bool {
	hops := 0
	for i := range r.Fields {
		if r.Fields[i].Kind == http1.ForwardedFor {
			hops += 1 + bytes.Count(r.Fields[i].Value, []byte(","))
		}
	}
	return hops > maxHops
}
