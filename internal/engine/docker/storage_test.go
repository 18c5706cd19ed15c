package docker

import (
	"errors"
	"testing"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/storage"
)

func TestStorageThatCantBeSeen(t *testing.T) {
	t.Parallel()
	for name, driver := range map[string]*storage.DriverData{
		"no driver":      nil,
		"another driver": {Name: "btrfs"},
		"another host":   {Name: "overlay2", Data: map[string]string{"UpperDir": "/no/such/overlay2/layer/diff"}},
	} {
		err := written(&container.InspectResponse{GraphDriver: driver}, map[string]bool{})
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", name, err)
		}
	}
}
