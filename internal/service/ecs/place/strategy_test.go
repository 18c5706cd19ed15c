package place

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	one, two := func(base, weight int32) StrategyItem { return StrategyItem{"one", base, weight} }, func(base, weight int32) StrategyItem { return StrategyItem{"two", base, weight} }
	tests := []struct {
		name     string
		strategy []StrategyItem
		have     map[string]int
		n        int
		want     string
	}{
		{"no strategy", nil, nil, 2, " "},
		{"no task", []StrategyItem{one(0, 1)}, nil, 0, ""},
		{"one provider", []StrategyItem{one(0, 1)}, nil, 3, "one one one"},
		{"equal weights take turns", []StrategyItem{one(0, 1), two(0, 1)}, nil, 4, "one two one two"},
		{"one to four", []StrategyItem{one(0, 1), two(0, 4)}, nil, 5, "two two two one two"},
		{"base first", []StrategyItem{one(0, 1), two(2, 1)}, nil, 4, "two two one two"},
		{"base that is there", []StrategyItem{one(0, 1), two(2, 1)}, map[string]int{"two": 2}, 2, "one two"},
		{"base without weight", []StrategyItem{one(1, 0), two(0, 3)}, nil, 4, "one two two two"},
		{"no weight, no task", []StrategyItem{one(0, 0), two(0, 1)}, map[string]int{"two": 9}, 2, "two two"},
		{"who is behind catches up", []StrategyItem{one(0, 1), two(0, 1)}, map[string]int{"one": 3}, 4, "two two two one"},
		{"others don't count", []StrategyItem{one(0, 1), two(0, 1)}, map[string]int{"three": 7}, 2, "one two"},
	}
	for _, tt := range tests {
		if got := strings.Join(Providers(tt.strategy, tt.have, tt.n), " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestProvidersAreFair starts tasks a few at a time, by random strategies: the base
// is full before a weight counts, nobody without weight gets more than its base,
// and beyond the base everybody is within one task of its share at any time. How
// the starts are cut into batches changes nothing.
func TestProvidersAreFair(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := randomStrategy(r)
		have, order := map[string]int{}, []string{}
		for len(order) < 200 {
			batch := Providers(s, have, 1+r.IntN(9))
			for _, p := range batch {
				have[p]++
				order = append(order, p)
				if why := unfair(s, have, len(order)); why != "" {
					t.Fatalf("seed %d: %s: strategy %v, after %v", seed, why, s, order)
				}
			}
		}
		if whole := Providers(s, nil, len(order)); !slices.Equal(whole, order) {
			t.Fatalf("seed %d: strategy %v gives %v at once, %v in batches", seed, s, whole, order)
		}
	}
}

func randomStrategy(r *rand.Rand) []StrategyItem {
	s := []StrategyItem{{Provider: "a", Weight: int32(1 + r.IntN(20))}, {Provider: "b", Weight: int32(r.IntN(20))}}
	if r.IntN(2) == 0 {
		s[r.IntN(2)].Base = int32(r.IntN(30))
	}
	if r.IntN(2) == 0 {
		slices.Reverse(s)
	}
	return s
}

// unfair says what is wrong with so many tasks of n in all.
func unfair(s []StrategyItem, have map[string]int, n int) string {
	base, weights := 0, 0
	for _, i := range s {
		base, weights = base+int(i.Base), weights+int(i.Weight)
	}
	for _, i := range s {
		over := have[i.Provider] - int(i.Base)
		switch share := float64(n-base) * float64(i.Weight) / float64(weights); {
		case over < 0 && n >= base, over > 0 && n <= base:
			return i.Provider + " has not its base before others have more"
		case i.Weight == 0 && over > 0:
			return i.Provider + " has no weight and gets more than its base"
		case n > base && (float64(over) < share-1 || float64(over) > share+1):
			return i.Provider + " has not its share"
		}
	}
	return ""
}
