package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/skylift/skylift/internal/edge/http1"
)

// readers gives text in one piece and byte by byte.
func readers(text string) map[string]*http1.Reader {
	whole, bytewise := new(http1.Reader), new(http1.Reader)
	whole.Reset(strings.NewReader(text), make([]byte, 16))
	bytewise.Reset(iotest.OneByteReader(strings.NewReader(text)), make([]byte, 1))
	return map[string]*http1.Reader{"whole": whole, "byte by byte": bytewise}
}

func readBody(b *http1.Body) (string, error) {
	var all []byte
	for {
		piece, err := b.Next()
		if errors.Is(err, io.EOF) {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
		if len(piece) == 0 {
			return string(all), errors.New("an empty piece")
		}
		all = append(all, piece...)
	}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	const text = "\r\nPOST http://A.b:80/p?q HTTP/1.1\r\nhost: other\r\nX-Empty:\r\nX-Tab: \ta b\t \r\nConnection: close, x-one\r\nX-One: 1\r\n" +
		"Transfer-Encoding: Chunked\r\nContent-Length: 3\r\n\r\n3;ext=\"1\"\r\nabc\r\n00A\r\n0123456789\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\nGET"
	for name, r := range readers(text) {
		head, err := r.Head(1 << 10)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var req http1.Request
		if err := req.Parse(head); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(req.Method) != "POST" || string(req.Host) != "A.b:80" || string(req.Target) != "/p?q" || path(req) != "/p" {
			t.Errorf("%s: got %s %s %s %s", name, req.Method, req.Host, req.Target, path(req))
		}
		if !req.Closes() {
			t.Errorf("%s: a request with two lengths doesn't end the connection", name)
		}
		var passed []string
		for _, f := range req.Fields {
			if !f.Hop {
				passed = append(passed, string(f.Name)+"="+string(f.Value))
			}
		}
		if got := strings.Join(passed, "|"); got != "host=other|X-Empty=|X-Tab=a b" {
			t.Errorf("%s: passes on %q", name, got)
		}
		body := req.Body(r)
		r.Discard(len(head))
		got, err := readBody(&body)
		if err != nil || got != "abc0123456789" || string(body.Trailers) != "X-Sum: 1\r\n" {
			t.Errorf("%s: got %q, trailers %q, %v", name, got, body.Trailers, err)
		}
		for r.Fill() == nil {
		}
		if rest := string(r.Buffered()); rest != "GET" {
			t.Errorf("%s: %q is left, want the next request", name, rest)
		}
	}
}

func TestMalformedBodies(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"x\r\n", "-1\r\na\r\n0\r\n\r\n", "1\na\r\n0\r\n\r\n", "1\r\nab\r\n0\r\n\r\n", "1\r\na\n0\r\n\r\n", "1 1\r\na\r\n0\r\n\r\n",
		"1\r\na\r\n0\r\nbad trailer\r\n\r\n", "\r\n1\r\na\r\n0\r\n\r\n", "0x1\r\na\r\n0\r\n\r\n", "1\r\na\r\n", "1\r\na\r\n0\r\n",
		"1111111111111111\r\n", strings.Repeat("0", 2000), "1;" + strings.Repeat("x", 2000) + "\r\na\r\n0\r\n\r\n",
	} {
		for name, r := range readers("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + text) {
			head, err := r.Head(1 << 10)
			if err != nil {
				t.Fatal(err)
			}
			var req http1.Request
			if err := req.Parse(head); err != nil {
				t.Fatal(err)
			}
			body := req.Body(r)
			r.Discard(len(head))
			if got, err := readBody(&body); err == nil {
				t.Errorf("%s: %.40q is read as %q", name, text, got)
			}
		}
	}
}

func TestConnectionOptions(t *testing.T) {
	t.Parallel()
	var req http1.Request
	head := "GET / HTTP/1.1\r\nHost: a\r\nConnection: Host, X-Forwarded-For, x-a\r\nX-Forwarded-For: b\r\nX-A: 1\r\n"
	if err := req.Parse([]byte(head + "\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, f := range req.Fields {
		if want := f.Kind == http1.Connection || string(f.Name) == "X-A"; f.Hop != want {
			t.Errorf("%s is for this hop only: %v", f.Name, f.Hop)
		}
	}
	if req.Parse([]byte(head+"Connection: "+strings.Repeat("x,", 100)+"\r\n\r\n")) == nil {
		t.Error("any number of options is taken")
	}
}

func TestHeadLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want error
	}{
		{"", io.EOF},
		{"\r\n", io.EOF},
		{"GET", io.ErrUnexpectedEOF},
		{"GET / HTTP/1.1\r\nHost: a\r\n", io.ErrUnexpectedEOF},
		{strings.Repeat("a", 200), http1.ErrTooLarge},
		{strings.Repeat("a: b\r\n", 30) + "\r\n", http1.ErrTooLarge},
		{"GET / HTTP/1.1\nHost: a\n\n", nil},
		{"GET / HTTP/1.1\r\nHost: a\n\r\n", nil},
	} {
		for name, r := range readers(tt.text) {
			if _, err := r.Head(100); !errors.Is(err, tt.want) {
				t.Errorf("%s: %.30q: got %v, want %v", name, tt.text, err, tt.want)
			}
		}
	}
}

// What net/http refuses because it could be read in two ways is refused here
// too, and what both take they understand alike.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
		"GET http://b/ HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n",
		"GET / HTTP/1.0\n\n",
		"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\nx",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r http1.Reader
		r.Reset(bytes.NewReader(text), make([]byte, 64))
		head, err := r.Head(1 << 16)
		if err != nil {
			return
		}
		var req http1.Request
		if req.Parse(head) != nil {
			return
		}
		method, host, closes := string(req.Method), string(req.Host), req.Closes()
		body := req.Body(&r)
		r.Discard(len(head))
		got, bodyErr := readBody(&body)

		theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(text, "\r\n"))))
		if err != nil {
			return // stricter about targets and hosts, which are passed on as they are
		}
		if theirs.Method != method || theirs.Host != host {
			t.Errorf("read %q as %s to %q, net/http as %s to %q", text, method, host, theirs.Method, theirs.Host)
		}
		want, err := io.ReadAll(theirs.Body)
		if bodyErr == nil && err == nil && string(want) != got {
			t.Errorf("read %q with body %q, net/http with %q; closes: %v", text, got, want, closes)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 200\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r http1.Reader
		r.Reset(bytes.NewReader(text), make([]byte, 64))
		head, err := r.Head(1 << 16)
		if err != nil {
			return
		}
		var res http1.Response
		if res.Parse(head) != nil || res.Informs() || res.Status == 101 {
			return
		}
		body := res.Body(&r, false)
		r.Discard(len(head))
		got, bodyErr := readBody(&body)
		theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(text, "\r\n"))), nil)
		if err != nil {
			return
		}
		want, err := io.ReadAll(theirs.Body)
		if theirs.StatusCode != res.Status || bodyErr == nil && err == nil && string(want) != got {
			t.Errorf("read %q as %d with body %q, net/http as %d with %q", text, res.Status, got, theirs.StatusCode, want)
		}
	})
}

func path(r http1.Request) string {
	p, _ := r.Split()
	return string(p)
}
