package record

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"github.com/skylift/skylift/internal/handler"
)

// Check is a health check. Handlers write it.
type Check struct {
	ID        string
	Reference string
	Version   int64
	Config    types.HealthCheckConfig
	Tags      handler.Tags // empty, not nil, when it had some
}

// Health is what a health check found out. Route53/checks writes it when that changes.
type Health struct {
	Check   string
	Version int64 // of the check's configuration
	Well    bool  // by its threshold; inverted and disabled checks are seen to by whoever reads it
	Since   time.Time
	// Said and At are the last observation when this was written, Failed and FailedAt the last that wasn't well.
	Said     string    `json:",omitempty"`
	At       time.Time `json:",omitzero"`
	Failed   string    `json:",omitempty"`
	FailedAt time.Time `json:",omitzero"`
}

// MaxDepth is how many levels of others are below a check that is calculated of them, at most.
const MaxDepth = 8

// Levels returns how many levels of others are below the check that has most, and whether one is below itself.
func Levels(checks map[string]*Check) (deepest int, circle bool) {
	below := map[string]int{} // -1 while it is being looked at
	var look func(id string) int
	look = func(id string) int {
		if n, seen := below[id]; seen {
			circle = circle || n < 0
			return max(0, n)
		}
		below[id] = -1
		deep := 0
		if c := checks[id]; c != nil {
			for _, child := range c.Config.ChildHealthChecks {
				deep = max(deep, look(child)+1)
			}
		}
		below[id] = deep
		return deep
	}
	for id := range checks {
		deepest = max(deepest, look(id))
	}
	return deepest, circle
}

// Well says of each health check whether it counts as well. One that has not found out anything does, and so does one that
// isn't there any more.
func Well(checks map[string]*Check, healths map[string]*Health) map[string]bool {
	all := make(map[string]bool, len(checks))
	for id, c := range checks {
		h := healths[id]
		all[id] = c.turned(c.calculated() || c.off() || h == nil || h.Well)
	}
	for again, round := true, 0; again && round < MaxDepth; round++ {
		again = false
		for id, c := range checks {
			if !c.calculated() || c.off() {
				continue
			}
			is := c.turned(c.enough(all))
			again = again || is != all[id]
			all[id] = is
		}
	}
	return all
}

func (c *Check) calculated() bool { return c.Config.Type == types.HealthCheckTypeCalculated }

func (c *Check) off() bool { return c.Config.Disabled != nil && *c.Config.Disabled }

// turned is a health, or its opposite where the check is inverted.
func (c *Check) turned(well bool) bool {
	return well != (c.Config.Inverted != nil && *c.Config.Inverted)
}

// enough says whether as many children are well as there must be.
func (c *Check) enough(well map[string]bool) bool {
	n := int32(0)
	for _, child := range c.Config.ChildHealthChecks {
		if is, there := well[child]; is || !there {
			n++
		}
	}
	return c.Config.HealthThreshold == nil || n >= *c.Config.HealthThreshold
}
