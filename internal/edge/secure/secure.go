// Package secure is TLS on the client's side of the load balancer: how a listener
// answers handshakes, which of its certificates it answers with, and who resumes a
// session.
//
// A listener's server is compiled from a table and never changes, but for the keys
// of its tickets, which turn every day.
package secure

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
)

// Server answers the handshakes for a listener.
type Server struct {
	// Guard says what a client had to prove and to speak in the handshake. A
	// connection may carry requests for another listener only if it is the same there.
	Guard string
	// Config is for crypto/tls.
	Config *tls.Config

	id       string
	all      []*table.Certificate
	exact    map[string][]*table.Certificate // by the names that they are for, in lower case
	wildcard map[string][]*table.Certificate // by what follows the "*."
}

// NewServer makes the server of a listener, which its id names. Its sessions are
// resumed by tickets.
func NewServer(id string, said *table.TLS, tickets *Tickets) *Server {
	s := &Server{
		Guard: said.Policy, id: id, all: said.Certificates,
		exact: map[string][]*table.Certificate{}, wildcard: map[string][]*table.Certificate{},
	}
	for _, c := range said.Certificates {
		for _, name := range names(c) {
			name = strings.ToLower(name)
			if parent, ok := strings.CutPrefix(name, "*."); ok {
				s.wildcard[parent] = append(s.wildcard[parent], c)
			} else {
				s.exact[name] = append(s.exact[name], c)
			}
		}
	}
	s.Config = &tls.Config{
		MinVersion: said.Oldest, MaxVersion: said.Newest, CipherSuites: said.Suites, CurvePreferences: said.Groups,
		NextProtos:                  []string{"http/1.1"},
		GetCertificate:              s.certificate,
		DynamicRecordSizingDisabled: true, // small records cost a system call each
	}
	if said.HTTP2 {
		s.Config.NextProtos = []string{"h2", "http/1.1"}
	}
	s.Turn(tickets)
	return s
}

// Turn takes the tickets' present keys.
func (s *Server) Turn(t *Tickets) { s.Config.SetSessionTicketKeys(t.keys(s.id)) }

// names returns the names that a certificate is for.
func names(c *table.Certificate) []string {
	leaf := c.TLS.Leaf
	if len(leaf.DNSNames) == 0 && leaf.Subject.CommonName != "" {
		return []string{leaf.Subject.CommonName}
	}
	return leaf.DNSNames
}

// Fit is how well a listener's certificates fit a name.
type Fit int

// How they fit: a wildcard covers one label.
const (
	None Fit = iota
	ByWildcard
	Exact
)

// Fits tells how well any of the certificates fits a name that a client asks for.
func (s *Server) Fits(name string) Fit {
	name = fold(name)
	if len(s.exact[name]) > 0 {
		return Exact
	}
	if _, parent, ok := strings.Cut(name, "."); ok && len(s.wildcard[parent]) > 0 {
		return ByWildcard
	}
	return None
}

func fold(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// certificate chooses what a client is answered with: of those that are for the name
// it asks for the best that it can read, or else the default one
// (https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html).
func (s *Server) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := s.pick(hello)
	if t, ok := hello.Conn.(*Transport); ok {
		t.Shown = c.ID
	}
	return &c.TLS, nil
}

func (s *Server) pick(hello *tls.ClientHelloInfo) *table.Certificate {
	if len(s.all) == 1 {
		return s.all[0]
	}
	name := fold(hello.ServerName)
	_, parent, _ := strings.Cut(name, ".")
	fitting := slices.Concat(s.exact[name], s.wildcard[parent])
	if len(fitting) == 0 {
		return s.all[0]
	}
	best, now := (*table.Certificate)(nil), time.Now()
	for _, c := range fitting {
		if hello.SupportsCertificate(&c.TLS) == nil && (best == nil || better(c.TLS.Leaf, best.TLS.Leaf, now)) {
			best = c
		}
	}
	if best == nil {
		best = fitting[0] // the handshake will say what the client lacks
	}
	return best
}

// better tells whether a goes before b, which stands before it where they are alike.
// The order is AWS's: the key's algorithm, whether it is expired, the hash, the key's
// length, how long it holds.
func better(a, b *x509.Certificate, now time.Time) bool {
	x, y := rank(a, now), rank(b, now)
	for i := range x {
		if x[i] != y[i] {
			return x[i] > y[i]
		}
	}
	return false
}

// rank is a certificate's worth, the most important first.
func rank(c *x509.Certificate, now time.Time) [5]int64 {
	r := [5]int64{2: hash(c.SignatureAlgorithm), 3: length(c), 4: int64(c.NotAfter.Sub(c.NotBefore))}
	if c.PublicKeyAlgorithm == x509.ECDSA {
		r[0] = 1
	}
	if !now.After(c.NotAfter) {
		r[1] = 1
	}
	return r
}
