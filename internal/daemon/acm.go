package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/projection/lb"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

var acmService = service{make: (*builder).acm, tables: acm.Tables}

// acm makes Certificate Manager. Its private keys are sealed by the instance's ring.
func (b *builder) acm(context.Context) (part, error) {
	m := b.m
	b.certs = acm.New(m.db, m.ns, m.is.ID, m.ring.For("acm"), certificateUsers{})
	return part{
		name: "acm", title: "Certificate Manager", api: b.certs, tagged: b.certs, operations: b.certs.Operations(),
		term: map[string]Runner{"acm/due": freed(m.loop("acm/due", due(b.certs.Due), 4,
			reconcile.Rows(m.db, acm.Certificates, nil),
			// A listener that begins to use a certificate makes it worth to be renewed.
			reconcile.Rows(m.db, elbv2.Listeners, func(_ string, l *elbv2.Listener) []string { return l.Certificates() })))},
	}, nil
}

// certificateUsers is Elastic Load Balancing as Certificate Manager sees it.
type certificateUsers struct{}

func (certificateUsers) UsersOf(tx store.Tx, certificate string) ([]string, error) {
	return elbv2.CertificateUsers(tx, certificate)
}

// certificateKeys opens the certificates of Certificate Manager for the load balancers.
func certificateKeys(services []part) *lb.Keys {
	return &lb.Keys{Key: apiOf[*acm.API](services).Key}
}
