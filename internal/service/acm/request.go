package acm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/awserr"
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/acm/domain"
	"github.com/skylift/skylift/internal/store"
)

const (
	maxNames   = 10 // of a certificate
	maxSubject = 64 // characters (RFC 5280, upper bound of a common name)
	tokenFor   = time.Hour
)

func nameFault(member, name string) error {
	if domain.Valid(name) {
		return nil
	}
	return invalid("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", name, member, domain.Pattern)
}

// requestFaults is what is wrong with a request, whatever there is already.
func requestFaults(in *acm.RequestCertificateInput) []error {
	var f awserr.Faults
	all := domain.Names(*in.DomainName, in.SubjectAlternativeNames)
	if len(*in.DomainName) > maxSubject {
		f.Add(invalid("The first domain name can't be longer than %d characters. Name a shorter one, and this one in SubjectAlternativeNames.", maxSubject))
	}
	f.Add(nameFault("domainName", *in.DomainName))
	for i, n := range in.SubjectAlternativeNames {
		f.Add(nameFault(fmt.Sprintf("subjectAlternativeNames.%d.member", i+1), n))
	}
	if len(all) > maxNames {
		f.Add(&types.LimitExceededException{Message: new("Error: you have reached your limit of 10 domain names in a certificate.")})
	}
	requested := []types.KeyAlgorithm{"", types.KeyAlgorithmRsa2048, types.KeyAlgorithmEcPrime256v1, types.KeyAlgorithmEcSecp384r1}
	if !slices.Contains(requested, in.KeyAlgorithm) {
		f.Add(invalid("A certificate with a key of %s can't be requested: only imported ones have such.", in.KeyAlgorithm))
	}
	for _, o := range in.DomainValidationOptions {
		name, by := strings.ToLower(aws.ToString(o.DomainName)), strings.ToLower(aws.ToString(o.ValidationDomain))
		base := strings.TrimPrefix(name, "*.")
		if !slices.Contains(all, name) || base != by && !strings.HasSuffix(base, "."+by) {
			f.Add(&types.InvalidDomainValidationOptionsException{Message: new("The validation domain " + by + " of " + name + " must be that domain or one above it, and the domain one of the request's.")})
		}
	}
	f.Add(tagRules.Faults(tagType.From(in.Tags))...)
	return f
}

// RequestCertificate asks for a certificate, which is issued soon after.
func (a *API) RequestCertificate(ctx context.Context, in *acm.RequestCertificateInput) (*acm.RequestCertificateOutput, error) {
	if err := awserr.Faults(requestFaults(in)).First(); err != nil {
		return nil, err
	}
	now := time.Now()
	tags, err := tagRules.Add(nil, tagType.From(in.Tags))
	if err != nil {
		return nil, err
	}
	c := Certificate{
		ARN: a.newARN(), Names: domain.Names(*in.DomainName, in.SubjectAlternativeNames),
		Type: types.CertificateTypeAmazonIssued, Status: types.CertificateStatusPendingValidation,
		Algorithm: cmp.Or(in.KeyAlgorithm, types.KeyAlgorithmRsa2048), CreatedAt: now, Tags: tags,
		Request: &Request{
			Method: cmp.Or(in.ValidationMethod, types.ValidationMethodEmail),
			Export: types.CertificateExportDisabled, Transparency: types.CertificateTransparencyLoggingPreferenceEnabled,
		},
	}
	c.Domain = c.Names[0]
	if o := in.Options; o != nil {
		c.Request.Export, c.Request.Transparency = cmp.Or(o.Export, c.Request.Export), cmp.Or(o.CertificateTransparencyLoggingPreference, c.Request.Transparency)
	}
	for _, o := range in.DomainValidationOptions {
		if c.Request.Domains == nil {
			c.Request.Domains = map[string]string{}
		}
		c.Request.Domains[strings.ToLower(*o.DomainName)] = strings.ToLower(*o.ValidationDomain)
	}
	if c.Request.Token, err = token(*in); err != nil {
		return nil, err
	}
	return handler.Update(ctx, a.db, func(tx store.Tx) (*acm.RequestCertificateOutput, error) {
		again, err := requested(tx, c.Request.Token, now)
		if err != nil || again != "" {
			return &acm.RequestCertificateOutput{CertificateArn: &again}, err
		}
		if err := roomFault(tx); err != nil {
			return nil, err
		}
		return &acm.RequestCertificateOutput{CertificateArn: &c.ARN}, Certificates.Put(tx, c.ARN, c)
	})
}

// token tells requests with the same token apart by what else they say; "" is a request without one.
func token(in acm.RequestCertificateInput) (string, error) {
	given := aws.ToString(in.IdempotencyToken)
	if given == "" {
		return "", nil
	}
	in.IdempotencyToken = nil
	digest, err := handler.Digest(in)
	return given + "/" + digest, err
}

// requested returns the certificate that was requested with a token within the hour; "" when there is none.
func requested(tx store.Tx, token string, now time.Time) (arn string, err error) {
	if token == "" {
		return "", nil
	}
	found, err := Certificates.By(tx, "token", token)
	for _, c := range found {
		if now.Sub(c.CreatedAt) < tokenFor {
			return c.ARN, err
		}
	}
	return "", err
}

// UpdateCertificateOptions changes whether a certificate is to be in a public log. Whether it can be exported can't change.
func (a *API) UpdateCertificateOptions(ctx context.Context, in *acm.UpdateCertificateOptionsInput) (*acm.UpdateCertificateOptionsOutput, error) {
	return &acm.UpdateCertificateOptionsOutput{}, a.edit(ctx, *in.CertificateArn, func(_ store.Tx, c *Certificate) error {
		switch {
		case c.Request == nil:
			return &types.InvalidStateException{Message: new("The certificate " + c.ARN + " was imported: it has no options.")}
		case in.Options.Export != "" && in.Options.Export != c.Request.Export:
			return &types.InvalidStateException{Message: new("Whether the certificate " + c.ARN + " can be exported was said when it was requested, and can't be changed.")}
		}
		c.Request.Transparency = cmp.Or(in.Options.CertificateTransparencyLoggingPreference, c.Request.Transparency)
		return nil
	})
}

// DeleteCertificate removes a certificate that no listener uses, with its key.
func (a *API) DeleteCertificate(ctx context.Context, in *acm.DeleteCertificateInput) (*acm.DeleteCertificateOutput, error) {
	return handler.Update(ctx, a.db, func(tx store.Tx) (*acm.DeleteCertificateOutput, error) {
		c, err := get(tx, *in.CertificateArn)
		if err != nil {
			return nil, err
		}
		used, err := a.users.UsersOf(tx, c.ARN)
		if err != nil {
			return nil, err
		}
		if len(used) > 0 {
			return nil, &types.ResourceInUseException{Message: new("Certificate " + c.ARN + " in account " + a.ns.Account + " is in use.")}
		}
		if err := forget(tx, c.ARN); err != nil {
			return nil, err
		}
		return &acm.DeleteCertificateOutput{}, Certificates.Delete(tx, c.ARN)
	})
}
