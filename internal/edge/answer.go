package edge

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/edge/http1"
)

// reasons are an ALB's own answers, as it words them.
var reasons = map[int]string{
	400: "Bad Request",
	405: "Method Not Allowed",
	408: "Request Time-out",
	414: "Request-URI Too Large",
	463: "Forwarded For Too Many",
	501: "Not Implemented",
	502: "Bad Gateway",
	503: "Service Temporarily Unavailable",
	504: "Gateway Time-out",
	505: "HTTP Version Not Supported",
}

// refuse answers a request that couldn't be read, if there is somebody to
// answer. The connection ends.
func (c *conn) refuse(err error) bool {
	bad, ok := errors.AsType[*http1.Error](err)
	status := 400
	switch {
	case ok:
		status = bad.Status
	case errors.Is(err, http1.ErrTooLarge):
		if bytes.IndexByte(c.rd.Buffered()[:http1.MaxLine], '\n') < 0 {
			status = 414
		}
	case isTimeout(err) && len(c.rd.Buffered()) > 0:
		status = 408
	default: // an idle connection, or a client that is gone
		return false
	}
	c.closing.Store(true)
	if !c.unadmitted() {
		c.answerError(status, false)
	}
	if tcp, ok := c.nc.(interface{ CloseWrite() error }); ok && tcp.CloseWrite() == nil {
		c.nc.SetReadDeadline(time.Now().Add(time.Second)) //nolint:errcheck // best effort
		io.CopyN(io.Discard, c.nc, 1<<20)                 //nolint:errcheck // best effort
	}
	return false
}

// unadmitted tells whether a request whose listener can't be told gets no
// answer.
func (c *conn) unadmitted() bool {
	rs := c.socket.routes.Load()
	if last := c.last.Load(); last != nil {
		if rt := rs.find(last.id); rt != nil {
			return !rt.admits(c.client)
		}
	}
	return !rs.admits(c.client)
}

// answer sends one of the balancer's own answers.
func (c *conn) answer(status int) (keep bool) {
	return c.answerError(status, bytes.Equal(c.req.Method, []byte("HEAD")))
}

func (c *conn) answerError(status int, toHead bool) (keep bool) {
	title := strconv.Itoa(status) + " " + reasons[status]
	body := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
	return c.generate(title, "text/html", body, toHead)
}

func (c *conn) answerFixed(f *Fixed) (keep bool) {
	contentType := f.ContentType
	if contentType != "" && !strings.Contains(contentType, "charset") {
		contentType += "; charset=utf-8"
	}
	title := strconv.Itoa(f.Status) + " " + http.StatusText(f.Status)
	return c.generate(title, contentType, f.Body, bytes.Equal(c.req.Method, []byte("HEAD")))
}

// generate writes an answer that no target gave. The connection is kept if
// the request was read whole.
func (c *conn) generate(title, contentType, body string, toHead bool) (keep bool) {
	keep = !c.ends() && !c.req.Closes() && c.body.Whole()
	if keep {
		c.body.Rest()
	}
	c.touch(time.Now(), c.idle())
	s := scratches.Get().(*scratch)
	defer s.free()
	out := append(s.reply[:0], "HTTP/1.1 "...)
	out = append(append(out, title...), "\r\nServer: awselb/2.0\r\nDate: "...)
	out = time.Now().UTC().AppendFormat(out, http.TimeFormat)
	if contentType != "" {
		out = append(append(out, "\r\nContent-Type: "...), contentType...)
	}
	out = append(out, "\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	out = appendConnection(append(out, "\r\n"...), keep)
	out = append(out, "\r\n"...)
	if !toHead {
		out = append(out, body...)
	}
	s.reply = out
	if _, err := c.nc.Write(out); err != nil {
		c.gone.Store(true)
		return false
	}
	return keep
}

func appendConnection(out []byte, keep bool) []byte {
	if keep {
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "Connection: close\r\n"...)
}
