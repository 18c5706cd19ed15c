package acm

import (
	"context"
	"crypto/x509"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/service/acm/bundle"
	"github.com/skylift/skylift/internal/store"
)

// maxCertificates is how many certificates there may be
// (https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html).
const maxCertificates = 2500

func (a *API) newARN() string { return a.ns.ARN("acm", "certificate/"+id.UUID()) }

// roomFault says that there is no room for one more certificate.
func roomFault(tx store.Tx) error {
	n := 0
	for _, err := range Certificates.Peek(tx, "") {
		if err != nil {
			return err
		}
		n++
	}
	if n >= maxCertificates {
		return &types.LimitExceededException{Message: new("You have reached your limit of 2500 certificates.")}
	}
	return nil
}

// ImportCertificate keeps a certificate with its chain and its key. With an ARN it puts them in the place of one that
// was imported.
func (a *API) ImportCertificate(ctx context.Context, in *acm.ImportCertificateInput) (*acm.ImportCertificateOutput, error) {
	now := time.Now()
	b, err := bundle.Read(in.Certificate, in.PrivateKey, in.CertificateChain, now)
	if err != nil {
		return nil, err
	}
	if in.CertificateArn != nil {
		return a.importAgain(ctx, in, b, now)
	}
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	c := Certificate{ARN: a.newARN(), Type: types.CertificateTypeImported, Status: types.CertificateStatusIssued, CreatedAt: now, Tags: tags}
	if err := a.fill(&c, b, now); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*acm.ImportCertificateOutput, error) {
		if err := roomFault(tx); err != nil {
			return nil, err
		}
		return &acm.ImportCertificateOutput{CertificateArn: &c.ARN}, Certificates.Put(tx, c.ARN, c)
	})
}

// fill takes what was imported into a record.
func (a *API) fill(c *Certificate, b bundle.Bundle, now time.Time) (err error) {
	c.Algorithm, _ = bundle.Algorithm(b.Leaf.PublicKey)
	c.Names = bundle.Names(b.Leaf)
	c.Domain = b.Leaf.Subject.CommonName
	if c.Domain == "" && len(c.Names) > 0 {
		c.Domain = c.Names[0]
	}
	c.ImportedAt, c.Leaf, c.Chain = now, b.Leaf.Raw, nil
	for _, x := range b.Chain {
		c.Chain = append(c.Chain, x.Raw)
	}
	c.Sealed, err = a.sealed(c.ARN, b.Key)
	return err
}

func (a *API) importAgain(ctx context.Context, in *acm.ImportCertificateInput, b bundle.Bundle, now time.Time) (*acm.ImportCertificateOutput, error) {
	if len(in.Tags) > 0 {
		return nil, &types.InvalidParameterException{Message: new("Tagging is not permitted on re-import.")}
	}
	next := Certificate{ARN: *in.CertificateArn}
	if err := a.fill(&next, b, now); err != nil {
		return nil, err
	}
	err := a.edit(ctx, next.ARN, func(_ store.Tx, c *Certificate) error {
		if c.Type != types.CertificateTypeImported {
			return invalid("The certificate %s was not imported: only an imported certificate can be imported again.", c.ARN)
		}
		if err := replaceFault(*c, next, b.Leaf); err != nil {
			return err
		}
		c.Algorithm, c.Names, c.Domain, c.ImportedAt = next.Algorithm, next.Names, next.Domain, next.ImportedAt
		c.Leaf, c.Chain, c.Sealed = next.Leaf, next.Chain, next.Sealed
		return nil
	})
	return &acm.ImportCertificateOutput{CertificateArn: in.CertificateArn}, err
}

// isDomain tells a domain name from an address and from a host's bare name.
func isDomain(name string) bool {
	_, err := netip.ParseAddr(name)
	return err != nil && strings.Contains(name, ".")
}

// replaceFault says why next can't take a certificate's place
// (https://docs.aws.amazon.com/acm/latest/userguide/import-reimport.html).
func replaceFault(c, next Certificate, leaf *x509.Certificate) error {
	old, err := c.parsed()
	if err != nil {
		return err
	}
	if c.Algorithm != next.Algorithm {
		return invalid("The key type of a certificate that is imported again can't change: it is %s, and the new one's %s.", c.Algorithm, next.Algorithm)
	}
	if slices.ContainsFunc(c.Names, isDomain) && !slices.ContainsFunc(next.Names, isDomain) {
		return invalid("A certificate that is imported again must have a domain name: the new one has none.")
	}
	has := bundle.KeyUsages(leaf)
	for _, u := range bundle.KeyUsages(old) {
		spared := u == types.KeyUsageNameKeyEncipherment && c.Algorithm[:2] == "EC"
		if !slices.Contains(has, u) && !spared {
			return invalid("A certificate that is imported again must keep its key usages: the new one lacks %s.", u)
		}
	}
	purposes := bundle.ExtendedKeyUsages(leaf)
	for _, u := range bundle.ExtendedKeyUsages(old) {
		same := func(p types.ExtendedKeyUsage) bool { return *p.OID == *u.OID }
		if !slices.ContainsFunc(purposes, same) && u.Name != types.ExtendedKeyUsageNameTlsWebClientAuthentication {
			return invalid("A certificate that is imported again must keep its extended key usages: the new one lacks %s.", u.Name)
		}
	}
	return nil
}
