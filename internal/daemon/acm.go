package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skylift/skylift/internal/edge/table"
	"github.com/skylift/skylift/internal/projection/lb"
	"github.com/skylift/skylift/internal/projection/zones"
	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/acm"
	"github.com/skylift/skylift/internal/service/acm/order"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
)

var acmService = service{make: (*builder).acm, tables: acm.Tables}

// acm makes Certificate Manager. Its private keys are sealed by the instance's ring.
func (b *builder) acm(context.Context) (part, error) {
	m := b.m
	b.certs = acm.New(m.db, m.ns, m.is.ID, m.ring.For("acm"), certificateUsers{})
	if m.ACMEDirectory != "" {
		outside, err := order.New(order.Config{Directory: m.ACMEDirectory, Email: m.ACMEEmail, Roots: m.ACMERoots, Agent: "skylift/" + m.Version})
		if err != nil {
			return part{}, err
		}
		b.certs.From(outside, challengeAnswers{m})
	}
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

// answeredWithin is how long the load balancers may take to answer a challenge.
const answeredWithin = 15 * time.Second

// challengeAnswers tells of this machine's load balancers and name server.
type challengeAnswers struct{ m *machine }

// Way implements acm's answers: load balancers answer, and for a name with a wildcard, or while they can't, the name server.
func (w challengeAnswers) Way(all []string) (order.Kind, error) {
	wild := slices.ContainsFunc(all, func(n string) bool { return strings.HasPrefix(n, "*.") })
	plain := w.ready()
	if !wild && plain == nil {
		return order.HTTP, nil
	}
	zoned := w.zoned(all)
	switch {
	case zoned == nil:
		return order.DNS, nil
	case wild:
		return "", fmt.Errorf("a name with a wildcard is validated by a record of its domain, and %w", zoned)
	}
	return "", plain
}

// zoned says why the name server can't answer for names.
func (w challengeAnswers) zoned(all []string) error {
	if len(w.m.DNSListen) == 0 {
		return errors.New("no name server is there to answer for it: --dns-listen starts one")
	}
	for _, n := range all {
		n = strings.TrimPrefix(n, "*.")
		z := w.m.names.Table().Find("", n+".")
		if z == nil || len(z.Views) > 0 || z.Name == w.m.balancersZone() {
			return fmt.Errorf("there is no public hosted zone that has %s", n)
		}
	}
	return nil
}

// ready says why no load balancer can answer.
func (w challengeAnswers) ready() error {
	t := w.m.loaded.Load()
	if t == nil {
		return errors.New("the load balancers aren't ready yet")
	}
	if !slices.ContainsFunc(t.Listeners, func(l table.Listener) bool { return l.TLS == nil }) {
		return errors.New("no load balancer has an HTTP listener, on port 80, at which the authority could see that the domain is here")
	}
	return nil
}

// Answered waits until the load balancers' table, or that of the name server, has an answer.
func (w challengeAnswers) Answered(ctx context.Context, c acm.Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, answeredWithin)
	defer cancel()
	for {
		if w.has(c) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing here answers for %s within %s", c.Name, answeredWithin)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// has says whether an answer is there.
func (w challengeAnswers) has(c acm.Challenge) bool {
	if c.Kind == order.DNS {
		return zones.Says(w.m.names.Table(), c.Where, c.Answer)
	}
	t := w.m.loaded.Load()
	return t != nil && lb.Answers(t, c)
}

// certificateKeys opens the certificates of Certificate Manager for the load balancers.
func certificateKeys(services []part) *lb.Keys {
	return &lb.Keys{Key: apiOf[*acm.API](services).Key}
}
