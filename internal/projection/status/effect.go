package status

import (
	"github.com/skylift/skylift/internal/service/ecr"
	ecsapi "github.com/skylift/skylift/internal/service/ecs/api"
	"github.com/skylift/skylift/internal/service/efs"
	"github.com/skylift/skylift/internal/service/elbv2"
	"github.com/skylift/skylift/internal/store"
	"github.com/skylift/skylift/internal/wire"
)

// NoEffect is a parameter that was given and stored, and has no effect.
type NoEffect struct {
	What      string   `json:"what"`
	Why       string   `json:"why"`
	Resources []string `json:"resources"`
}

// readWishes lists what the services keep, and what is to be scanned where no image can be.
func readWishes(tx store.Tx, scans bool) (out []wire.Wish, err error) {
	lists := []func(store.Tx) ([]wire.Wish, error){ecsapi.Wishes, elbv2.Wishes, efs.Wishes}
	if !scans {
		lists = append(lists, ecr.NotScanned)
	}
	for _, list := range lists {
		some, err := list(tx)
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
	}
	return out, nil
}

// noEffect joins entries about the same parameter, in the order of their first
// appearance.
func noEffect(wishes []wire.Wish) []NoEffect {
	out := []NoEffect{}
	at := map[[2]string]int{}
	for _, w := range wishes {
		key := [2]string{w.What, w.Why}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, NoEffect{What: w.What, Why: w.Why})
		}
		out[i].Resources = append(out[i].Resources, w.Resource)
	}
	return out
}
