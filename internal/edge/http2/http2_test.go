package http2_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// echo answers with the request, in chunks.
func echo(c net.Conn) {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") //nolint:errcheck // the client sees it
		return
	}
	body, _ := io.ReadAll(r.Body)
	text := fmt.Sprintf("%s %s %s %q %q %v %d", r.Method, r.RequestURI, r.Host, r.Header.Get("Cookie"), body, r.Trailer, r.ContentLength)
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nX-Kind: Echo\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\nX-Sum: 7\r\n\r\n", len(text), text)
}

func TestRequests(t *testing.T) {
	t.Parallel()
	p := connect(t, echo)
	p.ask(1, true, get("cookie", "a=1", "cookie", "b=2", "x-other", "1"))
	if r := p.answer(1); r.status != "200" || r.body != `GET / a.test "a=1; b=2" "" map[] 0` || r.fields["x-kind"] != "Echo" || r.fields["connection"] != "" || r.trailers["x-sum"] != "7" {
		t.Errorf("got %+v", r)
	}
	p.ask(3, false, post("content-length", "5"))
	p.sent(p.WriteData(3, false, []byte("hel")))
	p.sent(p.WriteData(3, true, []byte("lo")))
	if r := p.answer(3); r.body != `POST / a.test "" "hello" map[] 5` {
		t.Errorf("got %+v", r)
	}
	p.ask(5, false, post("te", "trailers", "trailer", "x-end"))
	p.sent(p.WriteDataPadded(5, false, []byte("hello"), make([]byte, 9)))
	p.sent(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: p.block("x-end", "1"), EndHeaders: true, EndStream: true}))
	if r := p.answer(5); r.body != `POST / a.test "" "hello" map[X-End:[1]] -1` {
		t.Errorf("got %+v", r)
	}
	p.ask(7, true, []string{":method", "GET", ":scheme", "https", ":path", "/x?y=1", "host", "b.test"})
	if r := p.answer(7); r.body != `GET /x?y=1 b.test "" "" map[] 0` {
		t.Errorf("got %+v", r)
	}
	// A block in several frames.
	long := p.block(get("x-long", strings.Repeat("a", 30_000))...)
	p.sent(p.WriteHeaders(http2.HeadersFrameParam{StreamID: 9, BlockFragment: long[:5_000], EndStream: true}))
	p.sent(p.WriteContinuation(9, false, long[5_000:10_000]))
	p.sent(p.WriteContinuation(9, true, long[10_000:]))
	if r := p.answer(9); r.status != "200" {
		t.Errorf("got %+v", r)
	}
	// More than is read of a head is answered as one that is malformed.
	for id := uint32(11); id < 15; id += 2 {
		huge := p.block(get("x-a", strings.Repeat("a", 14_000), "x-b", strings.Repeat("b", 14_000), "x-c", strings.Repeat("c", 14_000), "x-d", strings.Repeat("d", 14_000), "x-e", strings.Repeat("e", 14_000))...)
		p.sent(p.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: huge[:10_000], EndStream: true}))
		for rest := huge[10_000:]; ; rest = rest[10_000:] {
			if len(rest) <= 10_000 {
				p.sent(p.WriteContinuation(id, true, rest))
				break
			}
			p.sent(p.WriteContinuation(id, false, rest[:10_000]))
		}
		if r := p.answer(id); r.status != "400" {
			t.Errorf("got %+v of a head that is too long", r)
		}
	}
}

// TestAnswers: answers of every kind come as they were written, in whatever pieces.
func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, method, written string
		want                  reply
	}{
		{"sized", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", reply{status: "200", body: "hello", fields: map[string]string{":status": "200", "content-length": "5"}}},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", reply{status: "200", fields: map[string]string{":status": "200", "content-length": "0"}}},
		{"to HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", reply{status: "200", fields: map[string]string{":status": "200", "content-length": "5"}}},
		{"no content", "GET", "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n", reply{status: "204", fields: map[string]string{":status": "204", "a": "b"}}},
		{"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", reply{status: "200", body: "hello", fields: map[string]string{":status": "200"}}},
		{
			"chunked, with trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGrpc-Status: 0\r\n\r\n",
			reply{status: "200", body: "hello", fields: map[string]string{":status": "200"}, trailers: map[string]string{"grpc-status": "0"}},
		},
		{"trailers alone", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n", reply{status: "200", fields: map[string]string{":status": "200"}, trailers: map[string]string{"a": "b"}}},
		{
			"interim", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
			reply{status: "200", body: "ok", fields: map[string]string{":status": "103200", "link": "x", "content-length": "2"}},
		},
		{"broken off", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", reply{status: "200", body: "hel", fields: map[string]string{":status": "200", "content-length": "5"}, reset: "INTERNAL_ERROR"}},
		{"no answer", "GET", "", reply{reset: "INTERNAL_ERROR", fields: map[string]string{}}},
		{"no end", "GET", "HTTP/1.1 200 OK\r\n\r\nhello", reply{reset: "INTERNAL_ERROR", fields: map[string]string{}}},
		{"a switch of protocols", "GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", reply{reset: "INTERNAL_ERROR", fields: map[string]string{}}},
	} {
		for _, size := range []int{1, 7, 1 << 20} {
			p := connect(t, func(c net.Conn) {
				for text := tt.written; len(text) > 0; {
					n := min(size, len(text))
					if _, err := io.WriteString(c, text[:n]); err != nil {
						return
					}
					text = text[n:]
				}
			})
			p.ask(1, true, []string{":method", tt.method, ":scheme", "https", ":path", "/", ":authority", "a.test"})
			got := p.answer(1)
			if tt.want.trailers == nil {
				tt.want.trailers = map[string]string{}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("%s, in pieces of %d: got %+v, want %+v", tt.name, size, got, tt.want)
			}
		}
	}
}
