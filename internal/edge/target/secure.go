package target

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/skylift/skylift/internal/edge/table"
)

// sessions is how many sessions of TLS a target's connections resume from.
const sessions = 8

// overTLS is how a target is spoken to over TLS. As behind an ALB its certificate is not
// verified, it is told no name, and versions and ciphers are those of
// ELBSecurityPolicy-TLS13-1-0-2021-06
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#target-group-routing-configuration).
func overTLS(version table.Version) *tls.Config {
	c := &tls.Config{
		InsecureSkipVerify: true, //nolint:gosec // as documented above
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       suites,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions), // one for each target: nobody else gets its tickets
		// Small records cost a system call each.
		DynamicRecordSizingDisabled: true,
	}
	if version != table.HTTP1 {
		c.NextProtos = []string{"h2"}
	}
	return c
}

// suites are the ciphers that targets are offered up to TLS 1.2.
var suites = func() (ids []uint16) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if !strings.Contains(s.Name, "RC4") && !strings.Contains(s.Name, "3DES") && !strings.Contains(s.Name, "CHACHA20") {
			ids = append(ids, s.ID)
		}
	}
	return ids
}()

// secured is a connection over TLS. Who closes it doesn't wait for the target to be told.
type secured struct {
	*tls.Conn
	under net.Conn
}

// Close implements net.Conn.
func (s *secured) Close() error { return s.under.Close() }

// SyscallConn implements syscall.Conn: it is the socket's.
func (s *secured) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := s.under.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, syscall.ENOTSUP
}

// ErrHandshake is that a target didn't agree on TLS.
var ErrHandshake = errors.New("shake hands")

// shake agrees with a target on TLS. A handshake that takes too long isn't a target that
// doesn't answer in time, but one that fails.
func shake(ctx context.Context, conn net.Conn, c *tls.Config) (*secured, error) {
	s := &secured{tls.Client(conn, c), conn}
	if err := s.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %s", ErrHandshake, err) //nolint:errorlint // see above
	}
	return s, nil
}
