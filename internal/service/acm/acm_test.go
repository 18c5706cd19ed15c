package acm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/smithy-go"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/store/memstore"
	"github.com/skylift/skylift/internal/wire/wiretest"
)

// used are the balancers that use certificates.
type used map[string][]string

func (u used) UsersOf(_ store.Tx, certificate string) ([]string, error) { return u[certificate], nil }

func newAPI(t *testing.T) (*API, used) {
	t.Helper()
	db, by := memstore.New(), used{}
	t.Cleanup(func() { db.Close() })
	return New(db, arn.Namespace{Region: "us-west-2", Account: "123456789012"}, "0123456789ab", seal.NewKey().For("acm"), by), by
}

// must returns what a handler does, which must go well.
func must[I, O any](t *testing.T, h func(context.Context, *I) (*O, error), in *I) *O {
	t.Helper()
	out, err := try(t, h, in)
	if err != nil {
		t.Fatalf("%T: %v", in, err)
	}
	return out
}

// try asks the wire, and then the handler.
func try[I, O any](t *testing.T, h func(context.Context, *I) (*O, error), in *I) (*O, error) {
	t.Helper()
	if err := wiretest.Refusal(t, "acm", (&API{}).Operations(), in); err != nil {
		return nil, err
	}
	return h(t.Context(), in)
}

// refused checks that a call fails with that code and those words.
func refused[I, O any](t *testing.T, code, words string, h func(context.Context, *I) (*O, error), in *I) {
	t.Helper()
	_, err := try(t, h, in)
	e, is := errors.AsType[smithy.APIError](err)
	if !is || e.ErrorCode() != code || !strings.Contains(e.ErrorMessage(), words) {
		t.Errorf("%T: got %v, want %s: %s", in, err, code, words)
	}
}

// selfSigned is an import of a certificate that holds for two days.
func selfSigned(t *testing.T, curve elliptic.Curve, names ...string) *acm.ImportCertificateInput {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: names[0], Organization: []string{"Example"}}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return &acm.ImportCertificateInput{
		Certificate: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		PrivateKey:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

func (a *API) detailOf(t *testing.T, arn string) *types.CertificateDetail {
	t.Helper()
	return must(t, a.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &arn}).Certificate
}

// due does what is due for a certificate.
func (a *API) due(t *testing.T, arn string) time.Duration {
	t.Helper()
	again, err := a.Due(t.Context(), arn)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func TestImport(t *testing.T) {
	t.Parallel()
	a, by := newAPI(t)
	in := selfSigned(t, elliptic.P256(), "site.test", "*.site.test")
	in.Tags = []types.Tag{{Key: new("team"), Value: new("web")}}
	arn := *must(t, a.ImportCertificate, in).CertificateArn
	d := a.detailOf(t, arn)
	if d.Type != "IMPORTED" || d.Status != "ISSUED" || *d.DomainName != "site.test" || !slices.Equal(d.SubjectAlternativeNames, []string{"site.test", "*.site.test"}) ||
		*d.Issuer != "Example" || *d.Serial != "07" || d.KeyAlgorithm != "EC-prime256v1" || d.RenewalEligibility != "INELIGIBLE" || d.ImportedAt == nil || d.IssuedAt != nil ||
		len(d.DomainValidationOptions) != 2 || d.DomainValidationOptions[0].ResourceRecord != nil || d.Options.Export != "DISABLED" || *d.Subject != "CN=site.test,O=Example" {
		t.Errorf("described as %+v", d)
	}
	got := must(t, a.GetCertificate, &acm.GetCertificateInput{CertificateArn: &arn})
	if *got.Certificate != string(in.Certificate) || got.CertificateChain != nil {
		t.Errorf("got %s and %v", *got.Certificate, got.CertificateChain)
	}

	again := selfSigned(t, elliptic.P256(), "other.test")
	again.CertificateArn = &arn
	if got := must(t, a.ImportCertificate, again); *got.CertificateArn != arn {
		t.Errorf("imported again as %s, want %s", *got.CertificateArn, arn)
	}
	if d := a.detailOf(t, arn); *d.DomainName != "other.test" {
		t.Errorf("after another import: %+v", d)
	}
	if tags := must(t, a.ListTagsForCertificate, &acm.ListTagsForCertificateInput{CertificateArn: &arn}).Tags; len(tags) != 1 || *tags[0].Value != "web" {
		t.Errorf("tags after another import: %v", tags)
	}
	bigger := selfSigned(t, elliptic.P384(), "other.test")
	bigger.CertificateArn = &arn
	refused(t, "ValidationException", "key type", a.ImportCertificate, bigger)
	again.Tags = in.Tags
	refused(t, "InvalidParameterException", "re-import", a.ImportCertificate, again)
	again.Tags, again.CertificateArn = nil, new(arn+"0")
	refused(t, "ResourceNotFoundException", arn+"0", a.ImportCertificate, again)
	again.PrivateKey = in.PrivateKey
	refused(t, "ValidationException", "does not match", a.ImportCertificate, again)
	refused(t, "ValidationException", "was imported", a.RenewCertificate, &acm.RenewCertificateInput{CertificateArn: &arn})
	refused(t, "ValidationException", "can't be exported", a.ExportCertificate, &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte("1234")})

	by[arn] = []string{"arn:balancer"}
	if d := a.detailOf(t, arn); !slices.Equal(d.InUseBy, by[arn]) {
		t.Errorf("in use by %v", d.InUseBy)
	}
	refused(t, "ResourceInUseException", "is in use", a.DeleteCertificate, &acm.DeleteCertificateInput{CertificateArn: &arn})
	delete(by, arn)
	must(t, a.DeleteCertificate, &acm.DeleteCertificateInput{CertificateArn: &arn})
	refused(t, "ResourceNotFoundException", "Could not find", a.DescribeCertificate, &acm.DescribeCertificateInput{CertificateArn: &arn})
}

// TestKeysAreSealed: no record has a key in clear, and each opens only under its own name.
func TestKeysAreSealed(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	in := selfSigned(t, elliptic.P256(), "site.test")
	arn := *must(t, a.ImportCertificate, in).CertificateArn
	block, _ := pem.Decode(in.PrivateKey)
	if _, err := a.Authority(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := a.db.View(t.Context(), func(tx store.Tx) error {
		c, err := get(tx, arn)
		if err != nil {
			return err
		}
		r, err := roots.Get(tx, rootKey)
		if err != nil {
			return err
		}
		text, err := json.Marshal(c)
		if bytes.Contains(c.Sealed, block.Bytes[len(block.Bytes)-40:]) || bytes.Contains(text, in.PrivateKey[40:80]) {
			t.Error("the record has the key in clear")
		}
		if key, _ := x509.ParsePKCS8PrivateKey(r.Sealed); key != nil {
			t.Error("the root's key is in clear")
		}
		if _, err := a.Key(c); err != nil {
			t.Error(err)
		}
		c.ARN += "0"
		if _, err := a.Key(c); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("the key opens as another's: %v", err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func request(domain string, change ...func(*acm.RequestCertificateInput)) *acm.RequestCertificateInput {
	in := &acm.RequestCertificateInput{DomainName: &domain, ValidationMethod: types.ValidationMethodDns, KeyAlgorithm: types.KeyAlgorithmEcPrime256v1}
	for _, c := range change {
		c(in)
	}
	return in
}

func TestRequest(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	in := request("site.test", func(in *acm.RequestCertificateInput) {
		in.SubjectAlternativeNames, in.IdempotencyToken = []string{"*.site.test", "Site.test"}, new("once")
	})
	arn := *must(t, a.RequestCertificate, in).CertificateArn
	if again := *must(t, a.RequestCertificate, in).CertificateArn; again != arn {
		t.Errorf("the same token made %s and %s", arn, again)
	}
	d := a.detailOf(t, arn)
	if d.Status != "PENDING_VALIDATION" || d.Type != "AMAZON_ISSUED" || *d.Issuer != "Amazon" || len(d.DomainValidationOptions) != 2 || d.NotAfter != nil || d.RenewalSummary != nil {
		t.Fatalf("described as %+v", d)
	}
	first, second := d.DomainValidationOptions[0].ResourceRecord, d.DomainValidationOptions[1].ResourceRecord
	if *first.Name != *second.Name || *first.Value != *second.Value || !strings.HasSuffix(*first.Name, ".site.test.") || !strings.HasSuffix(*first.Value, ".acm-validations.aws.") ||
		len(*first.Name) != len("_.site.test.")+32 || d.DomainValidationOptions[1].ValidationStatus != "PENDING_VALIDATION" {
		t.Errorf("validated by %v and %v", *first.Name, *second.Name)
	}
	refused(t, "RequestInProgressException", "in progress", a.GetCertificate, &acm.GetCertificateInput{CertificateArn: &arn})
	a.due(t, arn)
	d = a.detailOf(t, arn)
	if d.Status != "ISSUED" || d.IssuedAt == nil || *d.Issuer != "Skylift" || d.DomainValidationOptions[0].ValidationStatus != "SUCCESS" ||
		d.NotAfter.Sub(*d.IssuedAt).Round(time.Hour) != 198*24*time.Hour || len(d.ExtendedKeyUsages) != 1 || d.RenewalSummary != nil {
		t.Errorf("issued as %+v", d)
	}
	got := must(t, a.GetCertificate, &acm.GetCertificateInput{CertificateArn: &arn})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(*got.CertificateChain))
	block, _ := pem.Decode([]byte(*got.Certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"site.test", "www.site.test"} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if again := a.due(t, arn); again <= 0 || *a.detailOf(t, arn).Serial != *d.Serial {
		t.Errorf("issued twice; again %v", again)
	}
}

func TestRequestFaults(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	for _, tt := range []struct {
		name        string
		change      func(*acm.RequestCertificateInput)
		code, words string
	}{
		{"too many names", func(in *acm.RequestCertificateInput) {
			in.SubjectAlternativeNames = strings.Split("a.test b.test c.test d.test e.test f.test g.test h.test i.test j.test", " ")
		}, "LimitExceededException", "10 domain names"},
		{"no name", func(in *acm.RequestCertificateInput) { in.DomainName = new("under_score.test") }, "ValidationException", "'under_score.test' at 'domainName'"},
		{"not one of the others", func(in *acm.RequestCertificateInput) { in.SubjectAlternativeNames = []string{"ok.test", "-a.test"} }, "ValidationException", "subjectAlternativeNames.2.member"},
		{"a long subject", func(in *acm.RequestCertificateInput) { in.DomainName = new(strings.Repeat("a", 60) + ".test") }, "ValidationException", "64 characters"},
		{"a key only imported ones have", func(in *acm.RequestCertificateInput) { in.KeyAlgorithm = types.KeyAlgorithmRsa4096 }, "ValidationException", "RSA_4096"},
		{"validated by HTTP", func(in *acm.RequestCertificateInput) { in.ValidationMethod = types.ValidationMethodHttp }, "ValidationException", "ValidationMethod"},
		{"a private authority", func(in *acm.RequestCertificateInput) {
			in.CertificateAuthorityArn = new("arn:aws:acm-pca:us-west-2:123456789012:certificate-authority/a")
		}, "ValidationException", "CertificateAuthorityArn"},
		{"validated by a stranger", func(in *acm.RequestCertificateInput) {
			in.DomainValidationOptions = []types.DomainValidationOption{{DomainName: new("site.test"), ValidationDomain: new("other.test")}}
		}, "InvalidDomainValidationOptionsException", "other.test"},
		{"a reserved tag", func(in *acm.RequestCertificateInput) { in.Tags = []types.Tag{{Key: new("aws:x")}} }, "InvalidTagException", "aws:x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refused(t, tt.code, tt.words, a.RequestCertificate, request("site.test", tt.change))
		})
	}
	email := *must(t, a.RequestCertificate, request("www.site.test", func(in *acm.RequestCertificateInput) {
		in.ValidationMethod = ""
		in.DomainValidationOptions = []types.DomainValidationOption{{DomainName: new("www.site.test"), ValidationDomain: new("site.test")}}
	})).CertificateArn
	v := a.detailOf(t, email).DomainValidationOptions[0]
	if v.ValidationMethod != "EMAIL" || *v.ValidationDomain != "site.test" || !slices.Contains(v.ValidationEmails, "hostmaster@site.test") || v.ResourceRecord != nil {
		t.Errorf("validated by %+v", v)
	}
}

func TestRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, by := newAPI(t)
		arn := *must(t, a.RequestCertificate, request("site.test")).CertificateArn
		a.due(t, arn)
		refused(t, "ValidationException", "not eligible", a.RenewCertificate, &acm.RenewCertificateInput{CertificateArn: &arn})
		first := a.detailOf(t, arn)
		day := 24 * time.Hour
		if again := a.due(t, arn); again > 153*day || again < 152*day {
			t.Errorf("looked at again in %v, want 45 days before its end", again)
		}
		time.Sleep(154 * day)
		a.due(t, arn)
		if d := a.detailOf(t, arn); *d.Serial != *first.Serial || d.RenewalEligibility != "INELIGIBLE" {
			t.Error("a certificate that nobody uses was renewed")
		}
		by[arn] = []string{"arn:balancer"}
		a.due(t, arn)
		second := a.detailOf(t, arn)
		if *second.Serial == *first.Serial || second.RenewalSummary == nil || second.RenewalSummary.RenewalStatus != "SUCCESS" || second.RenewalEligibility != "ELIGIBLE" || !second.NotAfter.After(*first.NotAfter) {
			t.Errorf("renewed as %+v", second)
		}

		must(t, a.RenewCertificate, &acm.RenewCertificateInput{CertificateArn: &arn})
		if d := a.detailOf(t, arn); d.RenewalSummary.RenewalStatus != "PENDING_AUTO_RENEWAL" {
			t.Errorf("asked for: %+v", d.RenewalSummary)
		}
		refused(t, "RequestInProgressException", "in progress", a.RenewCertificate, &acm.RenewCertificateInput{CertificateArn: &arn})
		a.due(t, arn)
		third := a.detailOf(t, arn)
		if *third.Serial == *second.Serial || third.RenewalSummary.RenewalStatus != "SUCCESS" {
			t.Errorf("renewed as %+v", third)
		}
		delete(by, arn)
		time.Sleep(200 * day)
		if d := a.detailOf(t, arn); d.Status != "EXPIRED" {
			t.Errorf("at the end it is %s", d.Status)
		}
	})
}

func TestExport(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn := *must(t, a.RequestCertificate, request("site.test", func(in *acm.RequestCertificateInput) {
		in.Options = &types.CertificateOptions{Export: types.CertificateExportEnabled}
	})).CertificateArn
	in := &acm.ExportCertificateInput{CertificateArn: &arn, Passphrase: []byte("correct horse")}
	refused(t, "RequestInProgressException", "in progress", a.ExportCertificate, in)
	a.due(t, arn)
	out := must(t, a.ExportCertificate, in)
	if !strings.HasPrefix(*out.PrivateKey, "-----BEGIN ENCRYPTED PRIVATE KEY-----") || *out.CertificateChain == "" {
		t.Errorf("exported %v", out)
	}
	if d := a.detailOf(t, arn); d.RenewalEligibility != "ELIGIBLE" {
		t.Errorf("an exported certificate isn't renewed: %+v", d)
	}
	in.Passphrase = []byte("$$$$")
	refused(t, "ValidationException", "passphrase", a.ExportCertificate, in)
	refused(t, "InvalidStateException", "can't be changed", a.UpdateCertificateOptions, &acm.UpdateCertificateOptionsInput{
		CertificateArn: &arn, Options: &types.CertificateOptions{Export: types.CertificateExportDisabled},
	})
	must(t, a.UpdateCertificateOptions, &acm.UpdateCertificateOptionsInput{
		CertificateArn: &arn, Options: &types.CertificateOptions{CertificateTransparencyLoggingPreference: "DISABLED"},
	})
	if d := a.detailOf(t, arn); d.Options.CertificateTransparencyLoggingPreference != "DISABLED" || d.Options.Export != "ENABLED" {
		t.Errorf("options %+v", d.Options)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	a, by := newAPI(t)
	var arns []string
	for _, name := range []string{"a.test", "b.test", "c.test"} {
		arns = append(arns, *must(t, a.RequestCertificate, request(name)).CertificateArn)
	}
	rsa := *must(t, a.RequestCertificate, request("rsa.test", func(in *acm.RequestCertificateInput) { in.KeyAlgorithm = "" })).CertificateArn
	a.due(t, arns[1])
	by[arns[1]] = []string{"arn:balancer"}
	list := func(change func(*acm.ListCertificatesInput)) (found []string) {
		t.Helper()
		in := &acm.ListCertificatesInput{Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{"EC_prime256v1", "RSA_2048"}}, SortBy: "CREATED_AT", SortOrder: "ASCENDING"}
		change(in)
		for {
			out := must(t, a.ListCertificates, in)
			for _, s := range out.CertificateSummaryList {
				found = append(found, *s.CertificateArn)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return found
			}
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*acm.ListCertificatesInput)
		want   []string
	}{
		{"all", func(*acm.ListCertificatesInput) {}, append(slices.Clone(arns), rsa)},
		{"in pages", func(in *acm.ListCertificatesInput) { in.MaxItems = new(int32(1)) }, append(slices.Clone(arns), rsa)},
		{"the newest first", func(in *acm.ListCertificatesInput) { in.SortOrder = "DESCENDING" }, []string{rsa, arns[2], arns[1], arns[0]}},
		{"without a filter", func(in *acm.ListCertificatesInput) { in.Includes = nil }, []string{rsa}},
		{"issued", func(in *acm.ListCertificatesInput) { in.CertificateStatuses = []types.CertificateStatus{"ISSUED"} }, arns[1:2]},
		{"by usage", func(in *acm.ListCertificatesInput) { in.Includes.KeyUsage = []types.KeyUsageName{"DIGITAL_SIGNATURE"} }, arns[1:2]},
		{"by another usage", func(in *acm.ListCertificatesInput) { in.Includes.KeyUsage = []types.KeyUsageName{"CRL_SIGNING"} }, nil},
		{"by purpose", func(in *acm.ListCertificatesInput) {
			in.Includes.ExtendedKeyUsage = []types.ExtendedKeyUsageName{"TLS_WEB_SERVER_AUTHENTICATION"}
		}, arns[1:2]},
		{"exportable", func(in *acm.ListCertificatesInput) { in.Includes.ExportOption = "ENABLED" }, nil},
	} {
		if got := list(tt.change); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	refused(t, "ValidationException", "together", a.ListCertificates, &acm.ListCertificatesInput{SortBy: "CREATED_AT"})
	refused(t, "ValidationException", "NextToken", a.ListCertificates, &acm.ListCertificatesInput{NextToken: new("x")})
}

func TestTags(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn := *must(t, a.RequestCertificate, request("site.test")).CertificateArn
	must(t, a.AddTagsToCertificate, &acm.AddTagsToCertificateInput{CertificateArn: &arn, Tags: []types.Tag{{Key: new("a"), Value: new("1")}, {Key: new("b"), Value: new("2")}, {Key: new("c")}}})
	must(t, a.RemoveTagsFromCertificate, &acm.RemoveTagsFromCertificateInput{CertificateArn: &arn, Tags: []types.Tag{{Key: new("a"), Value: new("other")}, {Key: new("b"), Value: new("2")}, {Key: new("c")}}})
	if tags := must(t, a.ListTagsForCertificate, &acm.ListTagsForCertificateInput{CertificateArn: &arn}).Tags; len(tags) != 1 || *tags[0].Key != "a" {
		t.Errorf("tags %v: one with another value than given stays", tags)
	}
	if err := a.Tag(t.Context(), arn, map[string]string{"d": "4"}); err != nil {
		t.Fatal(err)
	}
	if err := a.Untag(t.Context(), arn, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	err := a.db.View(t.Context(), func(tx store.Tx) error {
		tags, _, err := a.Known(tx, arn)
		if len(tags) != 1 || tags["d"] != "4" {
			t.Errorf("known with tags %v", tags)
		}
		return errors.Join(err, a.Tagged(tx, func(is string, tags map[string]string) {
			if is != arn || len(tags) != 1 {
				t.Errorf("%s is tagged %v", is, tags)
			}
		}))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestServes: what was issued serves TLS to a client that trusts the root.
func TestServes(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn := *must(t, a.RequestCertificate, request("site.test", func(in *acm.RequestCertificateInput) { in.KeyAlgorithm = "RSA_2048" })).CertificateArn
	a.due(t, arn)
	ca, err := a.Authority(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var c Certificate
	err = a.db.View(t.Context(), func(tx store.Tx) error { c, err = get(tx, arn); return err })
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.Key(c)
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	go tls.Server(server, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{c.Leaf}, PrivateKey: key}}}).Handshake() //nolint:errcheck // the client says it
	roots := x509.NewCertPool()
	roots.AddCert(ca.Root)
	if err := tls.Client(client, &tls.Config{ServerName: "site.test", RootCAs: roots}).HandshakeContext(t.Context()); err != nil {
		t.Error(err)
	}
}
