package meter

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Zones has counters of each zone. Those that are there are found without a lock; few
// zones are looked through faster than a map.
type Zones[T any] struct {
	mu    sync.Mutex
	make  func() *T
	zones atomic.Pointer[[]zoned[T]]
}

type zoned[T any] struct {
	zone string
	of   *T
}

// NewZones returns counters that are made by make when a zone is first counted in.
func NewZones[T any](make func() *T) *Zones[T] {
	z := &Zones[T]{make: make}
	z.zones.Store(new([]zoned[T]))
	return z
}

// In returns the counters of a zone.
func (z *Zones[T]) In(zone string) *T {
	for _, one := range *z.zones.Load() {
		if one.zone == zone {
			return one.of
		}
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	all := *z.zones.Load()
	for _, one := range all {
		if one.zone == zone {
			return one.of
		}
	}
	grown := append(slices.Clip(all), zoned[T]{zone, z.make()})
	z.zones.Store(&grown)
	return grown[len(grown)-1].of
}

// Each calls f for each zone that was counted in.
func (z *Zones[T]) Each(f func(zone string, of *T)) {
	for _, one := range *z.zones.Load() {
		f(one.zone, one.of)
	}
}
