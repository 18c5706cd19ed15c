package daemon

import (
	"context"
	"time"

	"github.com/skylift/skylift/internal/reconcile"
	"github.com/skylift/skylift/internal/service/ecs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/service/iam"
)

var iamService = service{make: (*builder).iam, tables: iam.Tables}

// iam makes IAM, and the loop that makes the roles of services.
func (b *builder) iam(context.Context) (part, error) {
	b.identity = iam.New(b.m.db, b.m.ns.Account, b.m.ring.For("iam"))
	l := linked{b.identity}
	return part{
		name: "iam", title: "IAM", api: b.identity, tagged: b.identity, operations: b.identity.Operations(),
		term: map[string]Runner{"iam/linked": b.m.loop("iam/linked", l, 1,
			reconcile.Rows(b.m.db, ecs.Clusters, func(string, *ecs.Cluster) []string { return []string{"ecs.amazonaws.com"} }),
			reconcile.Rows(b.m.db, elbv2.LoadBalancers, func(string, *elbv2.LoadBalancer) []string { return []string{"elasticloadbalancing.amazonaws.com"} }),
		)},
	}, nil
}

// linked makes the service-linked role of a service that has resources, as AWS does with the first of them.
type linked struct{ api *iam.API }

func (l linked) Reconcile(ctx context.Context, service string) (time.Duration, error) {
	return 0, l.api.Link(ctx, service)
}
