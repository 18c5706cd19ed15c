package daemon

import (
	"context"

	"github.com/skylift/skylift/internal/arn"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire/authz"
)

// knower is a service that knows resources by their ARNs.
type knower interface {
	// Known returns the tags of the resource with that ARN, and the condition keys that it tells; none when there is no such one.
	Known(tx store.Tx, arn string) (tags, keys map[string]string, err error)
}

// known makes the look-up of resources, for conditions of policies. All that one call asks is from one snapshot.
func (m *machine) known(services []part) authz.Lookup {
	by := map[string]knower{}
	for _, p := range services {
		if k, knows := p.api.(knower); knows {
			by[p.name] = k
		}
	}
	return func(ctx context.Context, arns []string) (found map[string]authz.Known, err error) {
		err = m.db.View(ctx, func(tx store.Tx) error {
			found = make(map[string]authz.Known, len(arns))
			for _, ref := range arns {
				r, err := arn.Parse(ref)
				if err != nil || by[r.Service] == nil {
					continue
				}
				tags, keys, err := by[r.Service].Known(tx, ref)
				if err != nil {
					return err
				}
				found[ref] = authz.Known{Tags: tags, Keys: keys}
			}
			return nil
		})
		return found, err
	}
}
