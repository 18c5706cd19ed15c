package acm

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/acm/bundle"
	"github.com/skylift/skylift/internal/store"
)

// maxSummaries is how many names a list tells of a certificate.
const maxSummaries = 100

// usualTypes are the keys of the certificates that a list has when the caller doesn't say it
// (https://docs.aws.amazon.com/acm/latest/APIReference/API_Filters.html).
var usualTypes = []types.KeyAlgorithm{types.KeyAlgorithmRsa1024, types.KeyAlgorithmRsa2048}

// ListCertificates lists certificates.
func (a *API) ListCertificates(ctx context.Context, in *acm.ListCertificatesInput) (*acm.ListCertificatesOutput, error) {
	if (in.SortBy == "") != (in.SortOrder == "") {
		return nil, invalid("SortBy and SortOrder must be specified together.")
	}
	page, err := pages.Open(in.MaxItems, in.NextToken, in.CertificateStatuses, in.Includes, in.SortOrder)
	if err != nil {
		return nil, err
	}
	page.Descending = in.SortOrder == types.SortOrderDescending
	now := time.Now()
	return handler.View(ctx, a.db, func(tx store.Tx) (*acm.ListCertificatesOutput, error) {
		all, err := Certificates.List(tx, "")
		if err != nil {
			return nil, err
		}
		var found []types.CertificateSummary
		for _, c := range all {
			if !slices.Contains(keyTypes(in), c.Algorithm) {
				continue
			}
			s, err := a.summary(tx, c, now)
			if err != nil {
				return nil, err
			}
			if fits(s, in) {
				found = append(found, s)
			}
		}
		part, next := handler.Cut(page, found, func(s types.CertificateSummary) string {
			return s.CreatedAt.UTC().Format("20060102150405.000000000") + *s.CertificateArn
		})
		return &acm.ListCertificatesOutput{CertificateSummaryList: append([]types.CertificateSummary{}, part...), NextToken: next}, nil
	})
}

// keyTypes are the keys that a list is asked for.
func keyTypes(in *acm.ListCertificatesInput) []types.KeyAlgorithm {
	if in.Includes == nil || len(in.Includes.KeyTypes) == 0 {
		return usualTypes
	}
	return in.Includes.KeyTypes
}

// fits tells whether a list that was asked for has a certificate.
func fits(s types.CertificateSummary, in *acm.ListCertificatesInput) bool {
	f := types.Filters{}
	if in.Includes != nil {
		f = *in.Includes
	}
	return (len(in.CertificateStatuses) == 0 || slices.Contains(in.CertificateStatuses, s.Status)) &&
		hasAll(s.KeyUsages, f.KeyUsage) && hasAll(s.ExtendedKeyUsages, f.ExtendedKeyUsage) &&
		(f.ExportOption == "" || f.ExportOption == s.ExportOption) && (f.ManagedBy == "" || f.ManagedBy == s.ManagedBy)
}

// hasAll tells whether has contains everything that is wanted.
func hasAll[T comparable](has, wanted []T) bool {
	return !slices.ContainsFunc(wanted, func(w T) bool { return !slices.Contains(has, w) })
}

// summary is what a list says of a certificate. Of a damaged one it says what the record says.
func (a *API) summary(tx store.Tx, c Certificate, now time.Time) (types.CertificateSummary, error) {
	leaf, _ := c.parsed()
	users, err := a.users.UsersOf(tx, c.ARN)
	if err != nil {
		return types.CertificateSummary{}, err
	}
	s := types.CertificateSummary{
		CertificateArn: &c.ARN, DomainName: &c.Domain, Type: c.Type, Status: c.statusOf(leaf, now), KeyAlgorithm: c.Algorithm, CreatedAt: &c.CreatedAt,
		SubjectAlternativeNameSummaries:      c.Names[:min(len(c.Names), maxSummaries)],
		HasAdditionalSubjectAlternativeNames: new(len(c.Names) > maxSummaries),
		InUse:                                new(len(users) > 0), RenewalEligibility: types.RenewalEligibilityIneligible,
		KeyUsages: []types.KeyUsageName{}, ExtendedKeyUsages: []types.ExtendedKeyUsageName{}, ExportOption: types.CertificateExportDisabled,
	}
	if c.renewable(leaf, len(users) > 0) {
		s.RenewalEligibility = types.RenewalEligibilityEligible
	}
	if r := c.Request; r != nil {
		s.ExportOption, s.Exported = r.Export, new(r.Exported)
	}
	if !c.ImportedAt.IsZero() {
		s.ImportedAt = &c.ImportedAt
	}
	if !c.IssuedAt.IsZero() {
		s.IssuedAt = &c.IssuedAt
	}
	if leaf != nil {
		tell(&s, leaf)
	}
	return s, nil
}

// tell adds what the certificate itself says.
func tell(s *types.CertificateSummary, leaf *x509.Certificate) {
	s.NotBefore, s.NotAfter = &leaf.NotBefore, &leaf.NotAfter
	s.KeyUsages = append(s.KeyUsages, bundle.KeyUsages(leaf)...)
	for _, u := range bundle.ExtendedKeyUsages(leaf) {
		s.ExtendedKeyUsages = append(s.ExtendedKeyUsages, u.Name)
	}
}
