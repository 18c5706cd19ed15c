package volumes

import (
	"context"
	"path/filepath"

	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/store"
)

// Metered returns how many bytes a file system took when it was last metered.
func (v *Volumes) Metered(ctx context.Context, id string) (int64, error) {
	var is efs.Volume
	err := v.db.View(ctx, func(tx store.Tx) (err error) {
		is, err = efs.Volumes.Get(tx, id)
		return err
	})
	return is.Bytes, err
}

// Used returns how many bytes a file system takes now: all its files are looked
// at.
func (v *Volumes) Used(ctx context.Context, id string) (int64, error) {
	return usage(ctx, filepath.Join(v.dir, filepath.Base(id)))
}
