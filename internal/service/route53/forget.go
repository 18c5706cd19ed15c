package route53

import (
	"context"
	"errors"
	"time"

	"github.com/skylift/skylift/internal/service/route53/record"
	"github.com/skylift/skylift/internal/store"
)

// Forget removes the change with that id when it can't be asked about any more, and says when to come back for it. It is the work
// of the loop route53/forget.
func (a *API) Forget(ctx context.Context, id string) (again time.Duration, err error) {
	err = a.db.Update(ctx, func(tx store.Tx) error {
		c, err := record.Changes.Get(tx, id)
		if errors.Is(err, store.ErrNotFound) {
			again = 0
			return nil
		}
		if err != nil {
			return err
		}
		if again = time.Until(c.Submitted.Add(record.ChangeLife)); again > 0 {
			return nil
		}
		again = 0
		return record.Changes.Delete(tx, id)
	})
	return again, err
}
