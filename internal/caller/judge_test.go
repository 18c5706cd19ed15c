package caller

import (
	"context"
	"errors"
	"testing"
)

func TestAllowed(t *testing.T) {
	t.Parallel()
	if err := Allowed(t.Context(), "a:B", "*", nil); err != nil {
		t.Errorf("the instance itself: %v", err)
	}
	refused := errors.New("no")
	ctx := WithJudge(t.Context(), func(_ context.Context, action, _ string, _ map[string][]string) error {
		if action == "a:B" {
			return refused
		}
		return nil
	})
	if err := Allowed(ctx, "a:B", "*", nil); !errors.Is(err, refused) {
		t.Errorf("what is denied: %v", err)
	}
	if err := Allowed(ctx, "a:C", "*", nil); err != nil {
		t.Errorf("what isn't: %v", err)
	}
}
