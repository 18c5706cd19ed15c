package acm

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/acm/bundle"
	"github.com/skylift/skylift/internal/store"
)

// DescribeCertificate returns all that is known of a certificate, without its key.
func (a *API) DescribeCertificate(ctx context.Context, in *acm.DescribeCertificateInput) (*acm.DescribeCertificateOutput, error) {
	now := time.Now()
	return handler.View(ctx, a.db, func(tx store.Tx) (*acm.DescribeCertificateOutput, error) {
		c, err := get(tx, *in.CertificateArn)
		if err != nil {
			return nil, err
		}
		users, err := a.users.UsersOf(tx, c.ARN)
		if err != nil {
			return nil, err
		}
		leaf, err := c.parsed()
		if err != nil {
			return nil, err
		}
		d := a.detail(c, leaf, now)
		d.InUseBy = append([]string{}, users...)
		if d.RenewalEligibility = types.RenewalEligibilityIneligible; c.renewable(leaf, len(users) > 0) {
			d.RenewalEligibility = types.RenewalEligibilityEligible
		}
		return &acm.DescribeCertificateOutput{Certificate: &d}, nil
	})
}

// renewable tells whether a certificate will be renewed as things are.
func (c Certificate) renewable(leaf *x509.Certificate, used bool) bool {
	return c.Request != nil && leaf != nil && (used || c.Request.Exported)
}

// detail is what a certificate's own record says.
func (a *API) detail(c Certificate, leaf *x509.Certificate, now time.Time) types.CertificateDetail {
	d := types.CertificateDetail{
		CertificateArn: &c.ARN, DomainName: &c.Domain, SubjectAlternativeNames: c.Names, Type: c.Type, Status: c.statusOf(leaf, now),
		KeyAlgorithm: types.KeyAlgorithm(strings.Replace(string(c.Algorithm), "_", "-", 1)), CreatedAt: &c.CreatedAt,
		KeyUsages: []types.KeyUsage{}, ExtendedKeyUsages: []types.ExtendedKeyUsage{}, DomainValidationOptions: a.validations(c),
		Subject: new("CN=" + c.Domain), Issuer: new("Amazon"), SignatureAlgorithm: new("SHA256WITHRSA"),
		Options: options(Request{Transparency: types.CertificateTransparencyLoggingPreferenceDisabled, Export: types.CertificateExportDisabled}),
	}
	if !c.ImportedAt.IsZero() {
		d.ImportedAt = &c.ImportedAt
	}
	d.FailureReason = c.Failure
	if !c.IssuedAt.IsZero() {
		d.IssuedAt = &c.IssuedAt
	}
	if r := c.Request; r != nil {
		d.Options = options(*r)
		d.RenewalSummary = c.renewal(d.DomainValidationOptions)
	}
	if leaf == nil {
		return d
	}
	d.Serial, d.SignatureAlgorithm, d.Subject = new(bundle.Serial(leaf)), new(bundle.Signature(leaf)), new(leaf.Subject.String())
	d.NotBefore, d.NotAfter, d.Issuer = &leaf.NotBefore, &leaf.NotAfter, new(issuer(leaf))
	for _, u := range bundle.KeyUsages(leaf) {
		d.KeyUsages = append(d.KeyUsages, types.KeyUsage{Name: u})
	}
	d.ExtendedKeyUsages = append(d.ExtendedKeyUsages, bundle.ExtendedKeyUsages(leaf)...)
	return d
}

func options(r Request) *types.CertificateOptions {
	return &types.CertificateOptions{CertificateTransparencyLoggingPreference: r.Transparency, Export: r.Export}
}

// issuer is the organisation that signed a certificate, or what else it calls itself.
func issuer(leaf *x509.Certificate) string {
	if len(leaf.Issuer.Organization) > 0 {
		return leaf.Issuer.Organization[0]
	}
	return cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String())
}

// renewal is what there is to say of a certificate's renewals; nil when there was none.
func (c Certificate) renewal(options []types.DomainValidation) *types.RenewalSummary {
	r := c.Request
	switch {
	case r.RenewAt.After(r.RenewedAt):
		return &types.RenewalSummary{RenewalStatus: types.RenewalStatusPendingAutoRenewal, DomainValidationOptions: options, UpdatedAt: &r.RenewAt}
	case !r.RenewedAt.IsZero():
		return &types.RenewalSummary{RenewalStatus: types.RenewalStatusSuccess, DomainValidationOptions: options, UpdatedAt: &r.RenewedAt}
	}
	return nil
}

// validations is how each name is, or was, validated.
func (a *API) validations(c Certificate) (out []types.DomainValidation) {
	for _, name := range c.Names {
		if c.Request == nil {
			out = append(out, types.DomainValidation{DomainName: &name})
			continue
		}
		base := strings.TrimPrefix(name, "*.")
		v := types.DomainValidation{
			DomainName: &name, ValidationDomain: new(cmp.Or(c.Request.Domains[name], name)), ValidationMethod: c.Request.Method,
			ValidationStatus: types.DomainStatusPendingValidation,
		}
		if c.Status == types.CertificateStatusFailed {
			v.ValidationStatus = types.DomainStatusFailed
		}
		if len(c.Leaf) > 0 {
			v.ValidationStatus = types.DomainStatusSuccess
		}
		if c.Request.Method == types.ValidationMethodDns {
			v.ResourceRecord = &types.ResourceRecord{
				Name: new("_" + a.proof("name", base) + "." + base + "."), Type: types.RecordTypeCname,
				Value: new("_" + a.proof("value", base) + ".acm-validations.aws."),
			}
		} else {
			for _, who := range []string{"administrator", "hostmaster", "postmaster", "webmaster", "admin"} {
				v.ValidationEmails = append(v.ValidationEmails, who+"@"+cmp.Or(c.Request.Domains[name], base))
			}
		}
		out = append(out, v)
	}
	return out
}

// proof is a part of the record that validates a domain. It is the same for every certificate of the account.
func (a *API) proof(part, domain string) string {
	sum := sha256.Sum256([]byte(a.ns.Account + "/" + part + "/" + domain))
	return hex.EncodeToString(sum[:16])
}

// issued returns a certificate, or the error for one that isn't issued yet, or never will be.
func issued(tx store.Tx, arn string) (Certificate, error) {
	c, err := get(tx, arn)
	if err == nil {
		err = notIssued(c)
	}
	return c, err
}

// notIssued says why there is nothing of a certificate to be had. AWS documents no more than these two for it.
func notIssued(c Certificate) error {
	switch {
	case len(c.Leaf) > 0:
		return nil
	case c.Status == types.CertificateStatusFailed:
		return &types.ResourceNotFoundException{Message: new("The certificate " + c.ARN + " was not issued: its request ended as " + string(c.Status) + ".")}
	}
	return &types.RequestInProgressException{Message: new("Certificate request for " + c.ARN + " is in progress.")}
}

// GetCertificate returns a certificate and its chain.
func (a *API) GetCertificate(ctx context.Context, in *acm.GetCertificateInput) (*acm.GetCertificateOutput, error) {
	return handler.View(ctx, a.db, func(tx store.Tx) (*acm.GetCertificateOutput, error) {
		c, err := issued(tx, *in.CertificateArn)
		if err != nil {
			return nil, err
		}
		out := &acm.GetCertificateOutput{Certificate: new(bundle.PEM(c.Leaf))}
		if len(c.Chain) > 0 {
			out.CertificateChain = new(bundle.PEM(c.Chain...))
		}
		return out, nil
	})
}

// ExportCertificate returns a certificate with its key, which is encrypted with the passphrase.
func (a *API) ExportCertificate(ctx context.Context, in *acm.ExportCertificateInput) (*acm.ExportCertificateOutput, error) {
	for _, b := range in.Passphrase {
		if b > 0x7e || strings.IndexByte("#$%", b) >= 0 {
			return nil, invalid("The passphrase may have ASCII characters other than #, $ and %%.")
		}
	}
	c, err := handler.Update(ctx, a.db, func(tx store.Tx) (Certificate, error) {
		c, err := issued(tx, *in.CertificateArn)
		switch {
		case err != nil:
			return c, err
		case !c.exportable():
			return c, invalid("The certificate %s can't be exported: Options.Export was not ENABLED when it was requested.", c.ARN)
		case c.Request.Exported:
			return c, nil
		}
		c.Request.Exported = true
		return c, Certificates.Put(tx, c.ARN, c)
	})
	if err != nil {
		return nil, err
	}
	key, err := a.Key(c)
	if err != nil {
		return nil, err
	}
	text, err := bundle.Encrypt(key, in.Passphrase)
	return &acm.ExportCertificateOutput{Certificate: new(bundle.PEM(c.Leaf)), CertificateChain: new(bundle.PEM(c.Chain...)), PrivateKey: &text}, err
}
