package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/service/ssm"
)

var ssmService = service{make: (*builder).ssm, tables: ssm.Tables}

// ssm makes Parameter Store. Its values are sealed under KMS keys, or by the
// instance's ring.
func (b *builder) ssm(context.Context) (part, error) {
	m := b.m
	api := ssm.New(m.db, m.ns, b.keys.For("ssm"), m.ring.For("ssm"))
	b.values = api
	return part{
		name: "ssm", title: "SSM Parameter Store", api: api, tagged: api, operations: api.Operations(),
		term: map[string]Runner{"ssm/due": whenDue(m, "ssm/due", ssm.Parameters, api.Due)},
	}, nil
}
