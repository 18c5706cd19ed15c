package daemon

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/registry"
	"github.com/skylift/skylift/internal/service/ecr"
)

// ecr makes ECR and the registry, which serves what ECR's records say.
func (b *builder) ecr(ctx context.Context) (part, error) {
	m := b.m
	records, err := ecr.NewRecords(ctx, m.db, m.ns, m.is.Listen)
	if err != nil {
		return part{}, fmt.Errorf("open the repositories: %w", err)
	}
	blobs, err := registry.New(ctx, registry.Config{
		Root: filepath.Join(m.DataDir, "registry"), Records: records, Log: m.Log,
		MaxRequests: m.limits.budget.Blobs, Full: func() bool { return m.disk.Reached(disk.NoPushes) },
	})
	if err != nil {
		return part{}, fmt.Errorf("open the registry: %w", err)
	}
	b.images = ecr.New(records, blobs)
	return part{
		name: "ecr", title: "ECR", api: b.images, tagged: b.images, operations: b.images.Operations(),
		term:   map[string]Runner{"registry": blobs},
		mounts: []gateway.Mount{{Prefix: "/v2/", Handler: blobs}},
	}, nil
}
