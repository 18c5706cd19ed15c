package acm

import (
	"crypto/x509"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/store"
)

// Certificate is a certificate's record, keyed by its ARN.
type Certificate struct {
	ARN       string
	Domain    string
	Names     []string // all that it is for, Domain among them
	Type      types.CertificateType
	Status    types.CertificateStatus // an expired one is ISSUED
	Algorithm types.KeyAlgorithm
	Failure   types.FailureReason `json:",omitempty"` // why it can't be issued

	CreatedAt  time.Time `json:",omitzero"`
	ImportedAt time.Time `json:",omitzero"`
	IssuedAt   time.Time `json:",omitzero"`

	Leaf   []byte   `json:",omitempty"` // DER; none before it is issued
	Chain  [][]byte `json:",omitempty"` // DER
	Sealed []byte   `json:",omitempty"` // the private key

	Request *Request `json:",omitempty"` // what was asked for; nil of an imported one
	Tags    handler.Tags
}

// Request is what belongs to a certificate that was requested.
type Request struct {
	Method       types.ValidationMethod
	Domains      map[string]string `json:",omitempty"` // where another domain than its own validates a name
	Export       types.CertificateExport
	Transparency types.CertificateTransparencyLoggingPreference
	Exported     bool   `json:",omitempty"`
	Token        string `json:",omitempty"` // of the call, with the digest of the rest
	// RenewAt is when somebody asked for a renewal, and RenewedAt when the last one was.
	RenewAt   time.Time `json:",omitzero"`
	RenewedAt time.Time `json:",omitzero"`
	// Tries counts the orders that an authority outside has not fulfilled, since the last that it has.
	// Trouble is why, and NextTry when it is asked again.
	Tries   int       `json:",omitempty"`
	Trouble string    `json:",omitempty"`
	NextTry time.Time `json:",omitzero"`
}

// Challenge is what an authority outside looks for to see that a domain is ours, keyed by its token.
type Challenge struct {
	order.Challenge
	Certificate string // the ARN
}

// account is the instance's at an authority outside, keyed by the URL of its directory.
type account struct {
	Sealed []byte // its key
}

// root is the record of the instance's certificate authority.
type root struct {
	Certificate []byte // DER
	Sealed      []byte // its key
}

// rootKey is the key of the one record.
const rootKey = "root"

// Certificates has the certificates.
var Certificates = store.NewTable("acm-certificate",
	store.Index[Certificate]{Name: "token", Values: func(c Certificate) []string {
		if c.Request == nil || c.Request.Token == "" {
			return nil
		}
		return []string{c.Request.Token}
	}},
)

// Challenges has what is looked for now: load balancers answer them.
var Challenges = store.NewTable("acm-challenge",
	store.Index[Challenge]{Name: "certificate", Values: func(c Challenge) []string { return []string{c.Certificate} }},
)

var (
	roots    = store.NewTable[root]("acm-root")
	accounts = store.NewTable[account]("acm-account")
)

// Tables are all that the service keeps records in.
func Tables() []store.Schema { return []store.Schema{Certificates, Challenges, roots, accounts} }

// parsed returns the certificate itself; nil before it is issued.
func (c Certificate) parsed() (*x509.Certificate, error) {
	if len(c.Leaf) == 0 {
		return nil, nil
	}
	leaf, err := x509.ParseCertificate(c.Leaf)
	if err != nil {
		return nil, fmt.Errorf("read certificate %s: %w", c.ARN, err)
	}
	return leaf, nil
}

// statusOf is a certificate's status at a time.
func (c Certificate) statusOf(leaf *x509.Certificate, now time.Time) types.CertificateStatus {
	if c.Status == types.CertificateStatusIssued && leaf != nil && now.After(leaf.NotAfter) {
		return types.CertificateStatusExpired
	}
	return c.Status
}

// exportable tells whether the private key may leave.
func (c Certificate) exportable() bool {
	return c.Request != nil && c.Request.Export == types.CertificateExportEnabled
}
