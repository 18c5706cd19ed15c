package place

// StrategyItem is a capacity provider's share in a capacity provider strategy.
type StrategyItem struct {
	Provider string
	Base     int32 // so many tasks run there before the weights count
	Weight   int32 // its share of the tasks beyond the base
}

// Providers says on which provider of a strategy each of n more tasks is to run,
// when have counts those that run on each. The base comes first; the tasks
// beyond it are shared out by weight, so that they are in the exact ratio of the
// weights whenever their number lets them. Without a strategy there is no
// provider.
// https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html
func Providers(strategy []StrategyItem, have map[string]int, n int) []string {
	runs := make([]int, len(strategy))
	for i, s := range strategy {
		runs[i] = have[s.Provider]
	}
	out := make([]string, n)
	for t := range out {
		if i := neediest(strategy, runs); i >= 0 {
			runs[i]++
			out[t] = strategy[i].Provider
		}
	}
	return out
}

// neediest is the provider that the next task goes to: one below its base, or
// else the one that is furthest behind its weight, the first of several. -1 when
// there is none.
func neediest(strategy []StrategyItem, runs []int) int {
	best := -1
	for i, s := range strategy {
		if runs[i] < int(s.Base) {
			return i
		}
		if s.Weight > 0 && (best < 0 || beyond(s, runs[i])*int(strategy[best].Weight) < beyond(strategy[best], runs[best])*int(s.Weight)) {
			best = i
		}
	}
	return best
}

// beyond counts the tasks beyond the base, with one more.
func beyond(s StrategyItem, runs int) int { return runs - int(s.Base) + 1 }
