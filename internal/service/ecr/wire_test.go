package ecr

import (
	"testing"

	"github.com/skylift/skylift/internal/wire"
)

// Every operation must be in the descriptor that the gateway serves.
func TestOperationsBind(t *testing.T) {
	t.Parallel()
	if _, err := wire.NewService("ecr", open(t).Operations()...); err != nil {
		t.Fatal(err)
	}
}
