// Package acm answers AWS Certificate Manager's API.
//
// Certificates are imported, or issued: by an authority outside, as Let's Encrypt's,
// or else by the instance's own, whose root is made once. Private keys are sealed in the records, are opened for the length of
// a call or for the load balancers, and are in no error and in no log. A certificate
// that is issued is renewed before it ends, under the same ARN.
package acm

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/acm/domain"
	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// users knows who uses a certificate: it returns the ARNs of load balancers.
type users interface {
	UsersOf(tx store.Tx, certificate string) ([]string, error)
}

// API has a handler for each operation.
type API struct {
	db    store.DB
	ns    arn.Namespace
	seal  *seal.Sealer
	users users
	name  string // of the instance

	outside *order.Authority // nil: the instance's own authority issues
	answers answers
}

// answers is where challenges are answered: load balancers and the name server. Way is how it can be shown that names are ours; an
// error says why in none. Answered returns once a challenge is answered; an error says why it won't be.
type answers interface {
	Way(names []string) (order.Kind, error)
	Answered(ctx context.Context, c Challenge) error
}

// New returns an API over db's records, whose keys are sealed by s. Instance names
// the instance in its root.
func New(db store.DB, ns arn.Namespace, instance string, s *seal.Sealer, u users) *API {
	return &API{db: db, ns: ns, seal: s, users: u, name: instance}
}

// From has certificates that are requested issued by an authority outside.
func (a *API) From(outside *order.Authority, w answers) { a.outside, a.answers = outside, w }

// notJudged is why condition keys are never there.
const notJudged = "Skylift doesn't tell it to policies: a statement with such a condition doesn't apply, unless the condition is negated"

// Operations lists what the API answers.
func (a *API) Operations() []wire.Operation {
	const (
		one    = "certificate: CertificateArn"
		origin = "acm:CertificateKeyPairOrigin"
		noLog  = "certificates of this instance's own authority are in no public log, and those of ACME's authorities in those that they choose"
	)
	return []wire.Operation{
		wire.Op("AddTagsToCertificate", a.AddTagsToCertificate).On(one).Lacks(origin, notJudged).Takes("CertificateArn Tags{*}"),
		wire.Op("DeleteCertificate", a.DeleteCertificate).On(one).Lacks(origin, notJudged).Takes("CertificateArn"),
		wire.Op("DescribeCertificate", a.DescribeCertificate).On(one).Takes("CertificateArn"),
		wire.Op("ExportCertificate", a.ExportCertificate).On(one).KeyFound("acm:DomainNames", a.domainsExported).Takes("CertificateArn Passphrase"),
		wire.Op("GetCertificate", a.GetCertificate).On(one).Takes("CertificateArn"),
		wire.Op("ImportCertificate", a.ImportCertificate).On("certificate: CertificateArn=*").Makes("certificate: CertificateArn=*").Takes("CertificateArn Certificate PrivateKey CertificateChain Tags{*}"),
		wire.Op("ListCertificates", a.ListCertificates).Takes("CertificateStatuses Includes{*} MaxItems NextToken SortBy SortOrder"),
		wire.Op("ListTagsForCertificate", a.ListTagsForCertificate).On(one).Takes("CertificateArn"),
		wire.Op("RemoveTagsFromCertificate", a.RemoveTagsFromCertificate).On(one).Takes("CertificateArn Tags{*}"),
		wire.Op("RenewCertificate", a.RenewCertificate).On(one).Takes("CertificateArn"),
		wire.Op("RequestCertificate", a.RequestCertificate).Makes("certificate: *").
			Keys("acm:CertificateTransparencyLogging: Options.CertificateTransparencyLoggingPreference=ENABLED", "acm:Export: Options.Export=DISABLED", "acm:KeyAlgorithm: KeyAlgorithm=RSA_2048", "acm:ValidationMethod: ValidationMethod=EMAIL").
			KeyFound("acm:DomainNames", domainsRequested).Lacks("acm:CertificateAuthority "+origin, notJudged).
			Takes("DomainName ValidationMethod=EMAIL|DNS SubjectAlternativeNames IdempotencyToken DomainValidationOptions{*} Options{Export} Tags{*} KeyAlgorithm").
			Keeps("Options{CertificateTransparencyLoggingPreference}", noLog).Checks(requestFaults),
		wire.Op("UpdateCertificateOptions", a.UpdateCertificateOptions).On(one).Lacks("acm:ValidationMethod", notJudged).Takes("CertificateArn Options{Export}").
			Keeps("Options{CertificateTransparencyLoggingPreference}", noLog),
	}
}

func invalid(format string, args ...any) error {
	return awserr.New("ValidationException", format, args...)
}

func noCertificate(arn string) error {
	return &types.ResourceNotFoundException{Message: new("Could not find certificate " + arn + ".")}
}

// pages is how lists are cut
// (https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html).
var pages = handler.Pages{
	Default: 1000, Most: 1000,
	BadToken: func(string) error { return invalid("The NextToken is not valid.") },
}

// get returns a certificate.
func get(tx store.Tx, arn string) (Certificate, error) {
	return handler.Get(tx, Certificates, arn, noCertificate)
}

// edit changes a certificate.
func (a *API) edit(ctx context.Context, arn string, change func(tx store.Tx, c *Certificate) error) error {
	return a.db.Update(ctx, func(tx store.Tx) error {
		_, err := handler.Change(tx, Certificates, arn, noCertificate, func(c *Certificate) error { return change(tx, c) })
		return err
	})
}

// sealed is a private key as a record has it, under a label of its own.
func (a *API) sealed(label string, key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("write the private key of %s: %w", label, err)
	}
	return a.seal.Seal(label, der), nil
}

// Key opens the private key of a certificate.
func (a *API) Key(c Certificate) (crypto.Signer, error) { return a.opened(c.ARN, c.Sealed) }

// opened is the private key that sealed made a record's of, under the same label.
func (a *API) opened(label string, sealed []byte) (crypto.Signer, error) {
	der, err := a.seal.Open(label, sealed)
	if err != nil {
		return nil, fmt.Errorf("open the private key of %s: %w", label, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read the private key of %s: it is damaged", label) // an error of the parser may quote it
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("read the private key of %s: it can't sign", label)
	}
	return signer, nil
}

// domainsRequested is what the condition key acm:DomainNames has for a request.
func domainsRequested(_ context.Context, in *acm.RequestCertificateInput) []string {
	if in.DomainName == nil {
		return nil
	}
	return domain.Names(*in.DomainName, in.SubjectAlternativeNames)
}

func (a *API) domainsExported(ctx context.Context, in *acm.ExportCertificateInput) (domains []string) {
	if in.CertificateArn == nil {
		return nil
	}
	_ = a.db.View(ctx, func(tx store.Tx) error { // the handler says what can't be read
		c, err := get(tx, *in.CertificateArn)
		domains = c.Names
		return err
	})
	return domains
}
