package nft

import (
	"testing"

	"github.com/google/nftables"
)

func TestOnce(t *testing.T) {
	t.Parallel()
	set, chain := &nftables.Set{Name: "a"}, &nftables.Chain{Name: "a"}
	got := content{chains: []*nftables.Chain{chain, {Name: "b"}, chain}, sets: []*nftables.Set{set, set, {Name: "b"}, set}}.once()
	if len(got.chains) != 2 || len(got.sets) != 2 || got.sets[1].Name != "b" || got.chains[1].Name != "b" {
		t.Errorf("%d chains, %d sets, want each once", len(got.chains), len(got.sets))
	}
}
