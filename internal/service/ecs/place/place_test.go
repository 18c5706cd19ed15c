package place

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		free, each Size
		n, want    int
	}{
		{"all", Size{2048, 4096}, Size{256, 512}, 4, 4},
		{"memory is short", Size{2048, 1024}, Size{256, 512}, 4, 2},
		{"CPU is short", Size{300, 4096}, Size{256, 512}, 4, 1},
		{"none", Size{2048, 511}, Size{256, 512}, 4, 0},
		{"more is taken than there is", Size{-256, -512}, Size{256, 512}, 4, 0},
		{"none is wanted", Size{2048, 4096}, Size{256, 512}, 0, 0},
	}
	for _, tt := range tests {
		if got := Fit(tt.free, tt.each, tt.n); got != tt.want {
			t.Errorf("%s: Fit(%v, %v, %d) = %d, want %d", tt.name, tt.free, tt.each, tt.n, got, tt.want)
		}
	}
}

// TestFitProperties: what fits is within what is free, and one more wouldn't be
// or isn't wanted.
func TestFitProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		free, each, n := Size{r.IntN(9000) - 1000, r.IntN(9000) - 1000}, Size{1 + r.IntN(2000), 1 + r.IntN(2000)}, r.IntN(12)
		got := Fit(free, each, n)
		if got > n || got > 0 && !each.Times(got).Within(free) || got < n && each.Times(got+1).Within(free) {
			t.Fatalf("Fit(%v, %v, %d) = %d", free, each, n, got)
		}
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	total := Size{4096, 8192}
	for each, want := range map[Size]string{{256, 512}: NoCapacity, {8192, 512}: AboveCPU, {256, 16384}: AboveMemory, total: NoCapacity} {
		if got := Reason(total, each); got != want {
			t.Errorf("%v: %s, want %s", each, got, want)
		}
	}
}

// places makes places from a picture: a word a subnet, its first letter the zone.
func places(words ...string) (out []Place) {
	for _, w := range words {
		out = append(out, Place{Subnet: w, Zone: w[:1]})
	}
	return out
}

func subnets(ps []Place) (out []string) {
	for _, p := range ps {
		out = append(out, p.Subnet)
	}
	return out
}

func TestSpread(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name      string
		to, there []Place
		n         int
		want      []string // in any order
	}{
		{"over the zones", places("a", "b", "c"), nil, 3, []string{"a", "b", "c"}},
		{"twice over", places("a", "b"), nil, 4, []string{"a", "a", "b", "b"}},
		{"to those that have fewer", places("a", "b", "c"), places("a", "a", "b"), 3, []string{"b", "c", "c"}},
		{"by zone first, then by subnet", places("a1", "a2", "b1"), nil, 4, []string{"a1", "a2", "b1", "b1"}},
		{"to the subnet of a zone that has fewer", places("a1", "a2", "b1"), places("b1", "b1", "a2"), 1, []string{"a1"}},
		{"one subnet", places("a"), places("a"), 2, []string{"a", "a"}},
		{"tasks in a zone that is no place now", places("a", "b"), places("z", "z", "a"), 1, []string{"b"}},
	}
	for _, tt := range tests {
		got := subnets(Spread(tt.to, tt.there, tt.n, "x"))
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestSpreadProperties: the same is chosen every time; beside nothing, zones
// differ by one at most, and so do the subnets of a zone; and who has one task
// each doesn't always begin in the same zone.
func TestSpreadProperties(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(2, 2))
	first := map[string]int{}
	for i := range 10_000 {
		var to []Place
		for j := range 1 + r.IntN(6) {
			to = append(to, Place{Subnet: fmt.Sprint("s", j), Zone: string(rune('a' + r.IntN(3)))})
		}
		n, seed := r.IntN(12), fmt.Sprint(i)
		got := Spread(to, nil, n, seed)
		if again := Spread(to, nil, n, seed); !slices.Equal(got, again) {
			t.Fatalf("%v, then %v", got, again)
		}
		perZone, perSubnet := map[string]int{}, map[string]map[string]int{}
		for _, p := range to {
			perZone[p.Zone] = 0
			if perSubnet[p.Zone] == nil {
				perSubnet[p.Zone] = map[string]int{}
			}
			perSubnet[p.Zone][p.Subnet] = 0
		}
		for _, p := range got {
			perZone[p.Zone]++
			perSubnet[p.Zone][p.Subnet]++
		}
		if len(got) != n || uneven(perZone) {
			t.Fatalf("%d over %v: %v", n, to, got)
		}
		for _, zone := range perSubnet {
			if uneven(zone) {
				t.Fatalf("%d over %v: %v", n, to, got)
			}
		}
		first[Spread(places("a", "b", "c"), nil, 1, seed)[0].Zone]++
	}
	for zone, n := range first {
		if n < 2500 {
			t.Errorf("%d of 10000 begin in zone %s", n, zone)
		}
	}
}

func uneven(counts map[string]int) bool {
	least, most := -1, 0
	for _, n := range counts {
		if least < 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	return most-least > 1
}
