package http2_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestWindows: what is sent to a client waits for its windows, that of the stream and that
// of all; what a client sends is bounded by what nobody read.
func TestWindows(t *testing.T) {
	t.Parallel()
	const size = 200_000
	p := connect(t, func(c net.Conn) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
		c.Write(make([]byte, size)) //nolint:errcheck // the client sees it
	}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1000})
	p.ask(1, true, get())
	got := 0
	read := func(until int) {
		t.Helper()
		for got < until {
			f := p.expect("data", func(f http2.Frame) bool { _, ok := f.(*http2.DataFrame); return ok })
			got += len(f.(*http2.DataFrame).Data())
		}
		if got != until {
			t.Fatalf("got %d bytes, want %d", got, until)
		}
		p.sent(p.WritePing(false, [8]byte{1}))
		p.expect("the ping's answer, before more data", func(f http2.Frame) bool {
			if _, ok := f.(*http2.DataFrame); ok {
				t.Fatal("more than the window lets through")
			}
			ping, ok := f.(*http2.PingFrame)
			return ok && ping.IsAck()
		})
	}
	read(1000)
	p.sent(p.WriteWindowUpdate(1, 500))
	read(1500)
	p.sent(p.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}))
	read(65_535) // of all streams
	p.sent(p.WriteWindowUpdate(0, 1<<20))
	read(size)

	goOn := make(chan struct{})
	up := connect(t, func(c net.Conn) {
		<-goOn
		echo(c)
	})
	up.ask(1, false, post())
	for range 9 {
		up.sent(up.WriteData(1, false, make([]byte, 15_000)))
	}
	if r := up.answer(1); r.reset != "FLOW_CONTROL_ERROR" {
		t.Errorf("more than a stream's window: got %+v", r)
	}
	close(goOn)
}

// TestUploads: a large body comes whole, and the windows open again as it is read.
func TestUploads(t *testing.T) {
	t.Parallel()
	const size = 3 << 20
	sum := make(chan int64, 8)
	p := connect(t, func(c net.Conn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			t.Error(err)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		sum <- n
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") //nolint:errcheck // the client sees it
	})
	var mu sync.Mutex
	more := sync.NewCond(&mu)
	windows := map[uint32]int64{0: 256 << 10, 1: 128 << 10, 3: 128 << 10} // as the settings said, and what follows them
	go func() {
		for {
			f, err := p.ReadFrame()
			if err != nil {
				return
			}
			if w, ok := f.(*http2.WindowUpdateFrame); ok {
				mu.Lock()
				windows[w.StreamID] += int64(w.Increment)
				mu.Unlock()
				more.Broadcast()
			}
		}
	}()
	var writing sync.Mutex
	send := func(id uint32, fields []string) {
		writing.Lock()
		p.ask(id, false, fields)
		writing.Unlock()
		for left := int64(size); left > 0; {
			mu.Lock()
			for min(windows[0], windows[id]) <= 0 {
				more.Wait()
			}
			n := min(left, windows[0], windows[id], 16<<10)
			windows[0] -= n
			windows[id] -= n
			mu.Unlock()
			left -= n
			writing.Lock()
			p.sent(p.WriteData(id, left == 0, make([]byte, n)))
			writing.Unlock()
		}
	}
	go send(1, post())
	for range 1 {
		if n := <-sum; n != size {
			t.Errorf("read %d bytes, want %d", n, size)
		}
	}
	go send(3, post("content-length", fmt.Sprint(size)))
	if n := <-sum; n != size {
		t.Errorf("read %d bytes, want %d", n, size)
	}
}

// TestGivenUp: a request that the client gives up ends for whoever answers it.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 2)
	begun := make(chan struct{}, 2)
	p := connect(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		http.ReadRequest(r) //nolint:errcheck // it is one
		begun <- struct{}{}
		_, err := r.ReadByte()
		ended <- err
	})
	p.ask(1, true, get())
	<-begun
	p.sent(p.WriteRSTStream(1, http2.ErrCodeCancel))
	if err := <-ended; err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the request ended with %v", err)
	}
	p.ask(3, true, get())
	<-begun
	p.close()
	if err := <-ended; err == nil {
		t.Error("the request goes on without its connection")
	}
}

// TestDeadlines: they end a read and a write, and can be moved.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	result := make(chan error, 3)
	p := connect(t, func(c net.Conn) {
		r := bufio.NewReader(c)
		http.ReadRequest(r)                                                                //nolint:errcheck // it is one
		c.SetReadDeadline(time.Now().Add(time.Hour))                                       //nolint:errcheck // it never fails
		time.AfterFunc(10*time.Millisecond, func() { c.SetReadDeadline(time.Unix(1, 0)) }) //nolint:errcheck // as above
		_, err := r.ReadByte()
		result <- err
		c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) //nolint:errcheck // as above
		_, err = r.ReadByte()
		result <- err
		c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) //nolint:errcheck // as above
		_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
		result <- err
	}, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
	p.ask(1, true, get())
	for _, what := range []string{"a read that is woken", "a read", "a write"} {
		var ne net.Error
		if err := <-result; !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestShutdown: who is told that the connection ends loses nothing: what he sent before he
// knew is answered.
func TestShutdown(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	p := connect(t, func(c net.Conn) {
		<-goOn
		echo(c)
	})
	p.ask(1, true, get())
	p.Shutdown()
	away := p.expect("the first farewell", func(f http2.Frame) bool { _, ok := f.(*http2.GoAwayFrame); return ok }).(*http2.GoAwayFrame)
	if away.LastStreamID != 1<<31-1 || away.ErrCode != http2.ErrCodeNo {
		t.Errorf("first %v", away)
	}
	p.ask(3, true, get())
	ping := p.expect("a ping", func(f http2.Frame) bool { _, ok := f.(*http2.PingFrame); return ok }).(*http2.PingFrame)
	p.sent(p.WritePing(true, ping.Data))
	away = p.expect("the second farewell", func(f http2.Frame) bool { _, ok := f.(*http2.GoAwayFrame); return ok }).(*http2.GoAwayFrame)
	if away.LastStreamID != 3 {
		t.Errorf("then %v", away)
	}
	p.ask(5, true, get()) // against the rules
	p.sent(p.WriteData(5, true, nil))
	close(goOn)
	answered := map[uint32]bool{}
	for {
		f, err := p.ReadFrame()
		if err != nil {
			break
		}
		if m, ok := f.(*http2.MetaHeadersFrame); ok && m.PseudoValue("status") == "200" {
			answered[m.StreamID] = true
		}
		if g, ok := f.(*http2.GoAwayFrame); ok {
			t.Errorf("another farewell: %v", g)
		}
	}
	if !answered[1] || !answered[3] || answered[5] {
		t.Errorf("answered %v", answered)
	}
	if n := p.busy.Load(); n != 0 {
		t.Errorf("busy %d at the end", n)
	}
}

// TestManyStreams: more requests at once than there may be are refused, and can be sent again.
func TestManyStreams(t *testing.T) {
	t.Parallel()
	goOn := make(chan struct{})
	p := connect(t, func(c net.Conn) {
		<-goOn
		echo(c)
	})
	for i := range 129 {
		p.ask(uint32(2*i+1), true, get())
	}
	if r := p.answer(257); r.reset != "REFUSED_STREAM" {
		t.Errorf("one more than there may be: %+v", r)
	}
	close(goOn)
	seen := 0
	p.expect("all answers", func(f http2.Frame) bool {
		if m, ok := f.(*http2.MetaHeadersFrame); ok && m.PseudoValue("status") == "200" {
			seen++
		}
		return seen == 128
	})
	p.ask(259, true, get())
	if r := p.answer(259); r.status != "200" {
		t.Errorf("afterwards: %+v", r)
	}
}
