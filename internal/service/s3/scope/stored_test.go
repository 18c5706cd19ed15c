package scope

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/seal"
	"github.com/skylift/skylift/internal/service/s3/body"
	"github.com/skylift/skylift/internal/service/s3/record"
	"github.com/skylift/skylift/internal/store"
)

func TestSettleRemovesOnlyWhatWasNotCommitted(t *testing.T) {
	t.Parallel()
	files, err := blob.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Scope{Bodies: body.New(files, seal.NewKey().For("s3"), nil)}
	for _, tc := range []struct {
		err  error
		stay bool
	}{
		{nil, true},
		{store.ErrAway, true},
		{store.ErrClosed, true},
		{context.Canceled, true},
		{errors.New("the connection broke"), true},
		{record.NoBucket("tea"), false},
		{fmt.Errorf("write: %w", store.ErrFull), false},
		{store.ErrTooLarge, false},
	} {
		key := blob.NewKey()
		w, err := files.Create(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
		s.Settle(tc.err, w.ID())
		r, err := files.Open(w.ID(), key, 0, 0, 0)
		if (err == nil) != tc.stay {
			t.Errorf("after %v: %v, want the file to stay: %t", tc.err, err, tc.stay)
		}
		if err == nil {
			r.Close()
		}
	}
}
