package acm

import (
	"crypto/elliptic"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"

	"github.com/skylift/skylift/internal/store"
)

// TestHopeless: a request that can't be issued fails, and isn't tried again.
func TestHopeless(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn := *must(t, a.RequestCertificate, request("a.test")).CertificateArn
	change(t, a, arn, func(c *Certificate) { c.Names = []string{"\u00fc.test"} })
	if again := a.due(t, arn); again != 0 {
		t.Errorf("tried again in %v", again)
	}
	if d := a.detailOf(t, arn); d.Status != "FAILED" || d.FailureReason != "INVALID_PUBLIC_DOMAIN" {
		t.Errorf("got %s, %s", d.Status, d.FailureReason)
	}
	refused(t, "ResourceNotFoundException", "ended as FAILED", a.GetCertificate, &acm.GetCertificateInput{CertificateArn: &arn})
	refused(t, "ResourceNotFoundException", "ended as FAILED", a.RenewCertificate, &acm.RenewCertificateInput{CertificateArn: &arn})
}

// TestDamagedLeaf: a list has a certificate whose record is damaged, and the others.
func TestDamagedLeaf(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t)
	arn := *must(t, a.RequestCertificate, request("a.test")).CertificateArn
	must(t, a.RequestCertificate, request("b.test"))
	change(t, a, arn, func(c *Certificate) { c.Leaf = []byte("damaged") })
	in := &acm.ListCertificatesInput{Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{"EC_prime256v1"}}}
	if got := must(t, a.ListCertificates, in).CertificateSummaryList; len(got) != 2 {
		t.Errorf("listed %v", got)
	}
}

func change(t *testing.T, a *API, arn string, f func(*Certificate)) {
	t.Helper()
	err := a.edit(t.Context(), arn, func(_ store.Tx, c *Certificate) error { f(c); return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// TestRootEnds: nothing is renewed that would end no later. An imported certificate that
// ended can't be served.
func TestRootEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, by := newAPI(t)
		imported := *must(t, a.ImportCertificate, selfSigned(t, elliptic.P256(), "site.test")).CertificateArn
		if _, err := a.Authority(t.Context()); err != nil {
			t.Fatal(err)
		}
		day := 24 * time.Hour
		time.Sleep((10*365 - 30) * day)
		arn := *must(t, a.RequestCertificate, request("a.test")).CertificateArn
		by[arn] = []string{"arn:balancer"}
		a.due(t, arn)
		first := a.detailOf(t, arn)
		time.Sleep(21 * day) // it holds for nine more
		if _, err := a.Due(t.Context(), arn); err == nil || !strings.Contains(err.Error(), "root certificate ends") {
			t.Errorf("got %v", err)
		}
		if d := a.detailOf(t, arn); *d.Serial != *first.Serial {
			t.Error("renewed for nothing")
		}
		err := a.db.View(t.Context(), func(tx store.Tx) error {
			if there, can, err := a.Servable(tx, imported); !there || can {
				t.Errorf("an expired one is there %t, can be served %t, %v", there, can, err)
			}
			if _, can, err := a.Servable(tx, arn); !can {
				t.Errorf("one that holds can't be served: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}
