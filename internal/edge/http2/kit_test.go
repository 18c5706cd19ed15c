package http2_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	edge "github.com/skylift/skylift/internal/edge/http2"
)

// peer is a client that may do anything.
type peer struct {
	t testing.TB
	net.Conn
	*http2.Framer
	enc *hpack.Encoder
	buf bytes.Buffer
	*edge.Server
	busy atomic.Int32 // what Busy and Idle were told
	done chan error
}

// connect opens a connection to a server whose requests handle answers. The prefaces
// are exchanged.
func connect(t testing.TB, handle func(net.Conn), settings ...http2.Setting) *peer {
	t.Helper()
	p := dial(t, handle)
	io.WriteString(p.Conn, http2.ClientPreface) //nolint:errcheck // reads see it
	p.sent(p.WriteSettings(settings...))
	p.expect("the server's settings", func(f http2.Frame) bool { s, ok := f.(*http2.SettingsFrame); return ok && !s.IsAck() })
	p.expect("an acknowledgement", func(f http2.Frame) bool { s, ok := f.(*http2.SettingsFrame); return ok && s.IsAck() })
	p.sent(p.WriteSettingsAck())
	return p
}

func dial(t testing.TB, handle func(net.Conn)) *peer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	near, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	near.SetDeadline(time.Now().Add(30 * time.Second)) //nolint:errcheck // just opened
	p := &peer{t: t, Conn: near, Framer: http2.NewFramer(near, near), done: make(chan error, 1)}
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.buf)
	p.Server = edge.New(far, edge.Config{
		Handle: func(st *edge.Stream) { handle(st); st.Close() }, Stall: time.Minute,
		Busy: func() { p.busy.Add(1) }, Idle: func() { p.busy.Add(-1) },
	})
	go func() { p.done <- p.Serve() }()
	t.Cleanup(func() { near.Close(); <-p.done }) //nolint:errcheck // it ends because of that
	return p
}

// sent takes no notice of an error: what is read shows it.
func (p *peer) sent(error) {}

func (p *peer) close() { p.Close() }

// expect reads frames until one is as wanted.
func (p *peer) expect(what string, wanted func(http2.Frame) bool) http2.Frame {
	p.t.Helper()
	var seen []string
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("waiting for %s: %v, after %v", what, err, seen)
		}
		if wanted(f) {
			return f
		}
		seen = append(seen, fmt.Sprint(f))
	}
}

// block encodes fields, which are pairs of names and values.
func (p *peer) block(fields ...string) []byte {
	p.buf.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}) //nolint:errcheck // a buffer takes everything
	}
	return bytes.Clone(p.buf.Bytes())
}

func get(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "https", ":path", "/", ":authority", "a.test"}, more...)
}

func post(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "https", ":path", "/", ":authority", "a.test"}, more...)
}

// ask begins a request.
func (p *peer) ask(id uint32, last bool, fields []string) {
	p.sent(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: p.block(fields...), EndHeaders: true, EndStream: last}))
}

// reply is an answer.
type reply struct {
	status, body string
	fields       map[string]string
	trailers     map[string]string
	reset        string // the code that the stream was reset with
}

// answer reads what comes for a stream until it has ended.
func (p *peer) answer(id uint32) (r reply) {
	p.t.Helper()
	r.fields, r.trailers = map[string]string{}, map[string]string{}
	p.expect(fmt.Sprintf("the answer to %d", id), func(f http2.Frame) bool {
		if f.Header().StreamID != id {
			return false
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			into := r.fields
			if r.status != "" {
				into = r.trailers
			}
			for _, h := range f.Fields {
				into[h.Name] += h.Value
			}
			if s := f.PseudoValue("status"); s != "" && s[0] != '1' {
				r.status = s
			}
			return f.StreamEnded()
		case *http2.DataFrame:
			r.body += string(f.Data())
			return f.StreamEnded()
		case *http2.RSTStreamFrame:
			r.reset = f.ErrCode.String()
			return true
		}
		return false
	})
	return r
}
