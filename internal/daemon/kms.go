package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/service/kms"
)

var kmsService = service{make: (*builder).kms, tables: kms.Tables}

// kms makes KMS. Its keys are sealed by the instance's ring.
func (b *builder) kms(context.Context) (part, error) {
	m := b.m
	b.keys = kms.New(m.db, m.ns, m.ring.For("kms"), principals{b.identity})
	return part{
		name: "kms", title: "KMS", api: b.keys, tagged: b.keys, own: b.keys, operations: b.keys.Operations(),
		term: map[string]Runner{"kms/due": whenDue(m, "kms/due", kms.Keys, b.keys.Due)},
	}, nil
}
