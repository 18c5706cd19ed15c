package check

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/limit"
)

// Probe is a question that a healthy target answers.
type Probe struct {
	Path    string
	Host    string // header; "": the target's address
	TLS     bool   // over HTTPS; the certificate is not verified
	Version table.Version
	Matcher Matcher
	Timeout time.Duration
}

// Dial opens a connection to a target.
type Dial func(ctx context.Context, addr netip.AddrPort) (net.Conn, error)

// drained is how much of an answer's body is read, for the target's sake:
// closing with data unread would look like a reset to it.
const drained = 64 << 10

// Ask sends one GET over a connection of its own, which is closed afterwards.
// Redirects are answers, they are not followed. Pass, the zero Outcome, is
// never the outcome of a probe that ctx ended.
func (p Probe) Ask(ctx context.Context, dial Dial, addr netip.AddrPort) Outcome {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	seen := table.Seen{At: time.Now(), Asked: p.url(addr)}
	code, err := p.ask(ctx, dial, addr, &seen)
	seen.Took = time.Since(seen.At)
	if err != nil {
		seen.Error = reasonOf(err)
	}
	switch {
	case err == nil && p.Matcher.Match(code):
		return Outcome{Kind: Pass, Code: code, Seen: seen}
	case err == nil:
		return Outcome{Kind: Mismatch, Code: code, Seen: seen}
	case limit.Ours(err):
		return Outcome{Kind: Unasked, Err: err, Seen: seen}
	case ctx.Err() != nil || isTimeout(err):
		return Outcome{Kind: Timeout, Seen: seen}
	default:
		return Outcome{Kind: Failure, Headless: errors.Is(err, errNotGRPC), Seen: seen}
	}
}

func (p Probe) url(addr netip.AddrPort) string {
	scheme := "http://"
	if p.TLS {
		scheme = "https://"
	}
	return scheme + addr.String() + cmp.Or(p.Path, "/")
}

// reasonOf is the innermost error: connection refused, rather than the whole story of a dial.
func reasonOf(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed before an answer came"
	}
	return err.Error()
}

func (p Probe) ask(ctx context.Context, dial Dial, addr netip.AddrPort, seen *table.Seen) (code int, err error) {
	conn, err := dial(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	path, host := cmp.Or(p.Path, "/"), cmp.Or(p.Host, hostOf(addr, p.TLS))
	if p.TLS {
		c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10} //nolint:gosec // as an ALB's
		if p.Version != table.HTTP1 {
			c.NextProtos = []string{"h2"}
		}
		secured := tls.Client(conn, c)
		if err := secured.HandshakeContext(ctx); err != nil {
			return 0, err
		}
		conn = secured
	}
	if p.Version != table.HTTP1 {
		return p.askHTTP2(ctx, conn, host, path, seen)
	}
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: "+host+
		"\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n")
	if err != nil {
		return 0, err
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodGet})
	if err != nil {
		return 0, err
	}
	note(res, seen)
	return res.StatusCode, nil
}

// keptBody is how much of an answer is kept for whoever asks why a check failed.
const keptBody = 200

// note reads the answer and notes what there is to see of it.
func note(res *http.Response, seen *table.Seen) {
	seen.Status, seen.Location = res.Status, res.Header.Get("Location")
	body := make([]byte, keptBody)
	n, _ := io.ReadFull(res.Body, body) // the status is what counts
	seen.Body = strings.ToValidUTF8(string(body[:n]), "")
	io.CopyN(io.Discard, res.Body, drained) //nolint:errcheck // likewise
}

// hostOf is the Host header of a check: with the port, unless that is the scheme's own
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html).
func hostOf(addr netip.AddrPort, secured bool) string {
	if own := addr.Port() == 80 && !secured || addr.Port() == 443 && secured; !own {
		return addr.String()
	}
	if addr.Addr().Is6() {
		return "[" + addr.Addr().String() + "]"
	}
	return addr.Addr().String()
}

// isTimeout says that nothing answered: also where the host itself knows that
// nobody has the target's address, which a client of AWS finds out by waiting.
func isTimeout(err error) bool {
	if errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
