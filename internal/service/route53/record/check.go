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

// maxDepth is how many checks deep those go that are calculated of others.
const maxDepth = 8

// Well says of each health check whether it counts as well. One that has not found out anything does, and so does one that
// isn't there any more.
func Well(checks map[string]*Check, healths map[string]*Health) map[string]bool {
	all := make(map[string]bool, len(checks))
	for id, c := range checks {
		h := healths[id]
		all[id] = c.turned(c.calculated() || c.off() || h == nil || h.Well)
	}
	for again, round := true, 0; again && round < maxDepth; round++ {
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
