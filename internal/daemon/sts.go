package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/service/sts"
)

// sts makes STS.
func (b *builder) sts(context.Context) (part, error) {
	api := sts.New()
	return part{name: "sts", title: "STS", api: api, operations: api.Operations()}, nil
}
