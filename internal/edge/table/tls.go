package table

import (
	"crypto/tls"
	"slices"
)

// TLS is how a listener speaks over HTTPS.
type TLS struct {
	Policy         string // what its balancer's owner calls the four that follow
	Oldest, Newest uint16 // versions, as crypto/tls has them
	Suites         []uint16
	Groups         []tls.CurveID
	// Certificates has the default one first. It is never empty.
	Certificates []*Certificate
	HTTP2        bool
}

// Equal tells whether two listeners speak alike, with the same certificates. Both may
// be nil.
func (t *TLS) Equal(u *TLS) bool {
	if t == nil || u == nil {
		return t == u
	}
	return t.Policy == u.Policy && t.Oldest == u.Oldest && t.Newest == u.Newest && t.HTTP2 == u.HTTP2 &&
		slices.Equal(t.Suites, u.Suites) && slices.Equal(t.Groups, u.Groups) && slices.Equal(t.Certificates, u.Certificates)
}

// Certificate is a certificate with its chain and its private key. It never changes:
// two tables that have the same share it. It is printed without its key.
type Certificate struct {
	ID  string // the certificate's ARN
	TLS tls.Certificate
}

// String leaves the key out.
func (c *Certificate) String() string { return c.ID }

// GoString leaves the key out.
func (c *Certificate) GoString() string { return c.ID }

// MarshalText leaves the key out.
func (c *Certificate) MarshalText() ([]byte, error) { return []byte(c.ID), nil }

// Tells are the names of the headers that tell targets what a client agreed on over TLS,
// as OpenSSL calls it; "": they aren't told. What a client says by such a name is dropped.
type Tells struct {
	Version, Suite string `json:",omitempty"`
}
