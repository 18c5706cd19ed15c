package http2_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// TestFaults holds the server to what RFC 9113 says of faults: of a request it resets the
// stream, of anything that makes the connection useless it ends that.
func TestFaults(t *testing.T) {
	t.Parallel()
	raw := func(kind http2.FrameType, flags http2.Flags, id uint32, payload string) func(*peer) {
		return func(p *peer) { p.sent(p.WriteRawFrame(kind, flags, id, []byte(payload))) }
	}
	fields := func(all ...string) func(*peer) { return func(p *peer) { p.ask(1, true, all) } }
	for _, tt := range []struct {
		name string
		do   func(*peer)
		want string
	}{
		// 8.2.1, 8.2.2, 8.3.1: malformed requests
		{"a name in capitals", fields(get("X-Big", "1")...), "reset PROTOCOL_ERROR"},
		{"a line break in a value", fields(get("x", "a\r\nb: c")...), "reset PROTOCOL_ERROR"},
		{"an unknown pseudo-header", fields(get(":x", "1")...), "reset PROTOCOL_ERROR"},
		{"a pseudo-header behind a field", fields(":method", "GET", ":scheme", "https", "a", "b", ":path", "/"), "reset PROTOCOL_ERROR"},
		{"a pseudo-header twice", fields(get(":path", "/x")...), "reset PROTOCOL_ERROR"},
		{"a pseudo-header of answers", fields(get(":status", "200")...), "reset PROTOCOL_ERROR"},
		{"no path", fields(":method", "GET", ":scheme", "https", ":authority", "a.test"), "reset PROTOCOL_ERROR"},
		{"an empty path", fields(":method", "GET", ":scheme", "https", ":path", "", ":authority", "a.test"), "reset PROTOCOL_ERROR"},
		{"an absolute path", fields(":method", "GET", ":scheme", "https", ":path", "https://b.test/", ":authority", "a.test"), "reset PROTOCOL_ERROR"},
		{"no method", fields(":scheme", "https", ":path", "/"), "reset PROTOCOL_ERROR"},
		{"no scheme", fields(":method", "GET", ":path", "/"), "reset PROTOCOL_ERROR"},
		{"CONNECT", fields(":method", "CONNECT", ":authority", "a.test:443"), "reset PROTOCOL_ERROR"},
		{"Connection", fields(get("connection", "close")...), "reset PROTOCOL_ERROR"},
		{"Transfer-Encoding", fields(get("transfer-encoding", "chunked")...), "reset PROTOCOL_ERROR"},
		{"Upgrade", fields(get("upgrade", "x")...), "reset PROTOCOL_ERROR"},
		{"TE of another kind", fields(get("te", "gzip")...), "reset PROTOCOL_ERROR"},
		{"Host that isn't the authority", fields(get("host", "b.test")...), "reset PROTOCOL_ERROR"},
		{"two lengths", fields(get("content-length", "0", "content-length", "1")...), "reset PROTOCOL_ERROR"},
		{"a length that is none", fields(get("content-length", "+1")...), "reset PROTOCOL_ERROR"},
		{"a length without a body", fields(get("content-length", "1")...), "reset PROTOCOL_ERROR"},
		{"a space in the path", fields(":method", "GET", ":scheme", "https", ":path", "/a b", ":authority", "a.test"), "400"},
		{"a method that is no token", fields(":method", "G@T /", ":scheme", "https", ":path", "/", ":authority", "a.test"), "400"},
		// 8.1.1: lengths
		{"less than the length", func(p *peer) {
			p.ask(1, false, post("content-length", "5"))
			p.sent(p.WriteData(1, true, []byte("hell")))
		}, "reset PROTOCOL_ERROR"},
		{"more than the length", func(p *peer) {
			p.ask(1, false, post("content-length", "3"))
			p.sent(p.WriteData(1, false, []byte("hell")))
		}, "reset PROTOCOL_ERROR"},
		{"trailers without an end", func(p *peer) { p.ask(1, false, post()); p.ask(1, false, []string{"a", "b"}) }, "reset PROTOCOL_ERROR"},
		{"a pseudo-header in trailers", func(p *peer) { p.ask(1, false, post()); p.ask(1, true, []string{":path", "/"}) }, "reset PROTOCOL_ERROR"},
		// 5.1: states
		{"DATA before a request", raw(http2.FrameData, 0, 1, "x"), "ends PROTOCOL_ERROR"},
		{"RST_STREAM before a request", raw(http2.FrameRSTStream, 0, 1, "\x00\x00\x00\x08"), "ends PROTOCOL_ERROR"},
		{"WINDOW_UPDATE before a request", raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x08"), "ends PROTOCOL_ERROR"},
		{"DATA behind the end", func(p *peer) { p.ask(1, true, post("x-hold", "1")); p.sent(p.WriteData(1, true, []byte("x"))) }, "reset STREAM_CLOSED"},
		{"trailers behind the end", func(p *peer) { p.ask(1, true, post("x-hold", "1")); p.ask(1, true, []string{"a", "b"}) }, "reset STREAM_CLOSED"},
		{"an even stream", func(p *peer) { p.ask(2, true, get()) }, "ends PROTOCOL_ERROR"},
		{"a stream below the last", func(p *peer) { p.ask(5, false, post()); p.ask(3, true, get()) }, "ends PROTOCOL_ERROR"},
		{"a stream that depends on itself", func(p *peer) {
			p.sent(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(get()...), EndHeaders: true, EndStream: true, Priority: http2.PriorityParam{StreamDep: 1}}))
		}, "reset PROTOCOL_ERROR"},
		{"PRIORITY on itself", func(p *peer) { p.sent(p.WritePriority(1, http2.PriorityParam{StreamDep: 1})) }, "reset PROTOCOL_ERROR"},
		// 6: frames
		{"stream 0 with DATA", raw(http2.FrameData, 0, 0, "x"), "ends PROTOCOL_ERROR"},
		{"stream 0 with HEADERS", raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 0, "\x82"), "ends PROTOCOL_ERROR"},
		{"SETTINGS on a stream", raw(http2.FrameSettings, 0, 1, ""), "ends PROTOCOL_ERROR"},
		{"SETTINGS of another length", raw(http2.FrameSettings, 0, 0, "xxx"), "ends FRAME_SIZE_ERROR"},
		{"an acknowledgement with settings", raw(http2.FrameSettings, http2.FlagSettingsAck, 0, "xxxxxx"), "ends FRAME_SIZE_ERROR"},
		{"a window too large in SETTINGS", func(p *peer) {
			p.sent(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 31}))
		}, "ends FLOW_CONTROL_ERROR"},
		{"a frame size out of bounds", func(p *peer) { p.sent(p.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 10})) }, "ends PROTOCOL_ERROR"},
		{"ENABLE_PUSH of 2", func(p *peer) { p.sent(p.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 2})) }, "ends PROTOCOL_ERROR"},
		{"a PING of another length", raw(http2.FramePing, 0, 0, "xxx"), "ends FRAME_SIZE_ERROR"},
		{"a PING on a stream", raw(http2.FramePing, 0, 1, "xxxxxxxx"), "ends PROTOCOL_ERROR"},
		{"GOAWAY on a stream", raw(http2.FrameGoAway, 0, 1, "xxxxxxxx"), "ends PROTOCOL_ERROR"},
		{"PUSH_PROMISE", raw(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, "\x00\x00\x00\x02\x82"), "ends PROTOCOL_ERROR"},
		{"CONTINUATION alone", raw(http2.FrameContinuation, 0, 1, "x"), "ends PROTOCOL_ERROR"},
		{"a frame within a block", func(p *peer) {
			p.sent(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(get()...), EndStream: true}))
			p.sent(p.WritePing(false, [8]byte{}))
		}, "ends PROTOCOL_ERROR"},
		{"a frame that is too large", raw(http2.FrameData, 0, 1, strings.Repeat("x", 16<<10+1)), "ends FRAME_SIZE_ERROR"},
		{"padding longer than the frame", raw(http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 1, "\xff\x82"), "ends PROTOCOL_ERROR"},
		{"WINDOW_UPDATE of 0", raw(http2.FrameWindowUpdate, 0, 0, "\x00\x00\x00\x00"), "ends PROTOCOL_ERROR"},
		{"WINDOW_UPDATE of 0 on a stream", func(p *peer) { p.ask(1, false, post()); raw(http2.FrameWindowUpdate, 0, 1, "\x00\x00\x00\x00")(p) }, "ends PROTOCOL_ERROR"},
		{"a window above its bound", func(p *peer) { p.sent(p.WriteWindowUpdate(0, 1<<31-1)); p.sent(p.WriteWindowUpdate(0, 1<<31-1)) }, "ends FLOW_CONTROL_ERROR"},
		{"a stream's window above its bound", func(p *peer) { p.ask(1, false, post()); p.sent(p.WriteWindowUpdate(1, 1<<31-1)) }, "reset FLOW_CONTROL_ERROR"},
		{"a block that can't be read", raw(http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, "\xff\xff\xff\xff\xff\xff\xff"), "ends COMPRESSION_ERROR"},
		// What is no fault
		{"an unknown frame", func(p *peer) { raw(0xee, 0, 1, "x")(p); p.ask(1, true, get()) }, "200"},
		{"an unknown setting", func(p *peer) { p.sent(p.WriteSettings(http2.Setting{ID: 0xeee, Val: 1})); p.ask(1, true, get()) }, "200"},
		{"PRIORITY of a stream to come", func(p *peer) { p.sent(p.WritePriority(9, http2.PriorityParam{StreamDep: 7})); p.ask(1, true, get()) }, "200"},
		{"a client's GOAWAY", func(p *peer) { p.sent(p.WriteGoAway(0, http2.ErrCodeNo, nil)); p.ask(1, true, get()) }, "200"},
		{"TE: trailers", fields(get("te", "trailers")...), "200"},
		{"Host as the authority", fields(get("host", "A.test")...), "200"},
		{"a length of 0", fields(get("content-length", "0")...), "200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := connect(t, func(c net.Conn) {
				r := bufio.NewReader(c)
				req, err := http.ReadRequest(r)
				if err == nil && req.Header.Get("X-Hold") != "" {
					r.ReadByte() //nolint:errcheck // until the stream has ended
					return
				}
				status := "200 OK"
				if err != nil {
					status = "400 Bad Request"
				} else if _, err := io.Copy(io.Discard, req.Body); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n") //nolint:errcheck // the client sees it
			})
			tt.do(p)
			if got := p.outcome(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// outcome is what becomes of what was sent.
func (p *peer) outcome() string {
	for {
		switch f, err := p.ReadFrame(); f := f.(type) {
		case *http2.GoAwayFrame:
			return "ends " + f.ErrCode.String()
		case *http2.RSTStreamFrame:
			return "reset " + f.ErrCode.String()
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status")
		default:
			if err != nil {
				return err.Error()
			}
		}
	}
}

// TestPreface: who doesn't begin as HTTP/2 does is sent away.
func TestPreface(t *testing.T) {
	t.Parallel()
	for _, begun := range []string{"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", http2.ClientPreface + "\x00\x00\x08\x06\x00\x00\x00\x00\x00xxxxxxxx"} {
		p := dial(t, echo)
		io.WriteString(p.Conn, begun) //nolint:errcheck // reads see it
		if got := p.outcome(); got != "ends PROTOCOL_ERROR" {
			t.Errorf("begun with %.20q: got %s", begun, got)
		}
	}
}

// TestFloods: a client that only makes work is sent away.
func TestFloods(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		do   func(p *peer, i int) error
	}{
		{"requests that are given up at once", func(p *peer, i int) error {
			p.ask(uint32(2*i+1), true, get())
			return p.WriteRSTStream(uint32(2*i+1), http2.ErrCodeCancel)
		}},
		{"requests that are reset for a fault", func(p *peer, i int) error {
			p.ask(uint32(2*i+1), false, post())
			return p.WriteWindowUpdate(uint32(2*i+1), 1<<31-1)
		}},
		{"malformed requests", func(p *peer, i int) error { p.ask(uint32(2*i+1), true, get(":path", "/")); return nil }},
		{"pings", func(p *peer, i int) error { return p.WritePing(false, [8]byte{}) }},
		{"settings", func(p *peer, i int) error { return p.WriteSettings() }},
		{"priorities", func(p *peer, i int) error { return p.WritePriority(1, http2.PriorityParam{}) }},
		{"empty pieces", func(p *peer, i int) error {
			if i == 0 {
				p.ask(1, false, post())
			}
			return p.WriteData(1, false, nil)
		}},
		{"windows", func(p *peer, i int) error { return p.WriteWindowUpdate(0, 1) }},
		{"CONTINUATION", func(p *peer, i int) error {
			if i == 0 {
				return p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: p.block(get()...)})
			}
			return p.WriteContinuation(1, false, p.block("x", strings.Repeat("a", 1000)))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := connect(t, func(c net.Conn) { bufio.NewReader(c).ReadByte(); c.Read(make([]byte, 9000)); c.Read(make([]byte, 1)) }) //nolint:errcheck // until the end
			ended := make(chan string, 1)
			go func() {
				for {
					f, err := p.ReadFrame()
					if g, ok := f.(*http2.GoAwayFrame); ok {
						ended <- g.ErrCode.String()
						return
					}
					if err != nil {
						ended <- err.Error()
						return
					}
				}
			}()
			for i := range 40_000 {
				if tt.do(p, i) != nil {
					break
				}
			}
			got := <-ended
			if want := "ENHANCE_YOUR_CALM"; got != want && !(tt.name == "CONTINUATION" && got == "PROTOCOL_ERROR") && !strings.Contains(got, "reset by peer") && !strings.Contains(got, "EOF") {
				t.Errorf("ended by %s", got)
			}
		})
	}
}
