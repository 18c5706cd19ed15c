package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/service/secretsmanager"
)

var secretsService = service{make: (*builder).secretsmanager, tables: secretsmanager.Tables}

// secretsmanager makes Secrets Manager. Its values are sealed under KMS keys.
func (b *builder) secretsmanager(context.Context) (part, error) {
	m := b.m
	api := secretsmanager.New(m.db, m.ns, b.keys.For("secretsmanager"), principals{b.identity})
	b.secrets = api
	return part{
		name: "secretsmanager", title: "Secrets Manager", api: api, tagged: api, own: api, operations: api.Operations(),
		term: map[string]Runner{"secretsmanager/due": whenDue(m, "secretsmanager/due", secretsmanager.Secrets, api.Due)},
	}, nil
}
