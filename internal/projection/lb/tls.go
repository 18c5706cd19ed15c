package lb

import (
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/acm/bundle"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/elbv2/tlspolicy"
)

// open makes all certificates ready.
func (b *builder) open() error {
	b.certs = map[string]*table.Certificate{}
	var errs []error
	for _, c := range b.in.Certificates {
		opened, err := b.in.Open(c)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		b.certs[c.ARN] = opened
	}
	return errors.Join(errs...)
}

// tls is how a listener speaks over HTTPS; nil when none of its certificates can be had.
func (b builder) tls(lb elbv2.LoadBalancer, l elbv2.Listener) *table.TLS {
	policy, _ := tlspolicy.Find(l.TLS.Policy) // the API checked it
	out := &table.TLS{Policy: policy.Name, Suites: policy.Suites(), Groups: policy.Groups(), HTTP2: lb.Attribute(elbv2.HTTP2) == "true"}
	out.Oldest, out.Newest = policy.Versions()
	for _, arn := range append([]string{l.TLS.Certificate}, l.TLS.More...) {
		if c := b.certs[arn]; c != nil && (len(out.Certificates) == 0 || c != out.Certificates[0]) {
			out.Certificates = append(out.Certificates, c)
		}
	}
	if len(out.Certificates) == 0 {
		return nil
	}
	return out
}

// Keys opens certificates, each once. What it opened it gives again, as long as that is asked for.
type Keys struct {
	// Key opens a certificate's private key.
	Key func(acm.Certificate) (crypto.Signer, error)

	mu     sync.Mutex
	opened map[string]opened
}

type opened struct {
	of   [sha256.Size]byte // the certificate and its sealed key
	cert *table.Certificate
}

// Open returns a certificate ready to be answered with.
func (k *Keys) Open(c acm.Certificate) (*table.Certificate, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	of := sha256.Sum256(append(append([]byte{}, c.Leaf...), c.Sealed...))
	if has, ok := k.opened[c.ARN]; ok && has.of == of {
		return has.cert, nil
	}
	out, err := k.open(c)
	if err != nil {
		return nil, err
	}
	if k.opened == nil {
		k.opened = map[string]opened{}
	}
	k.opened[c.ARN] = opened{of, out}
	return out, nil
}

func (k *Keys) open(c acm.Certificate) (*table.Certificate, error) {
	leaf, err := x509.ParseCertificate(c.Leaf)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", c.ARN, err)
	}
	key, err := k.Key(c)
	if err != nil {
		return nil, err
	}
	out := &table.Certificate{ID: c.ARN, TLS: tls.Certificate{Certificate: [][]byte{c.Leaf}, PrivateKey: key, Leaf: leaf}}
	for _, der := range c.Chain {
		x, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("read the chain of certificate %s: %w", c.ARN, err)
		}
		if !bundle.SelfSigned(x) { // clients have roots, or don't trust them
			out.TLS.Certificate = append(out.TLS.Certificate, der)
		}
	}
	return out, nil
}

// Keep forgets the certificates that aren't among those.
func (k *Keys) Keep(certificates []acm.Certificate) {
	k.mu.Lock()
	defer k.mu.Unlock()
	kept := map[string]opened{}
	for _, c := range certificates {
		if has, ok := k.opened[c.ARN]; ok {
			kept[c.ARN] = has
		}
	}
	k.opened = kept
}
