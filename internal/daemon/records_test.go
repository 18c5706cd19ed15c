package daemon

import (
	"log/slog"
	"testing"

	"github.com/skylift/skylift/internal/store/memstore"
)

// TestUpgradeOnAFullDisk: whoever upgrades because a disk is full gets in. A store
// that has no versions yet is written to.
func TestUpgradeOnAFullDisk(t *testing.T) {
	t.Parallel()
	db := memstore.New()
	defer db.Close()
	db.Fill(true)
	if err := upgradeRecords(t.Context(), db, slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}
