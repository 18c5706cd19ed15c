package daemon

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/skylift/skylift/internal/blob"
	"github.com/skylift/skylift/internal/disk"
	"github.com/skylift/skylift/internal/gateway"
	"github.com/skylift/skylift/internal/service/s3"
	"github.com/skylift/skylift/internal/service/s3/expire"
)

var s3Service = service{make: (*builder).s3, tables: s3.Tables, dirs: []string{objectsDir}}

// objectsDir is where in the data directory the objects' bytes are.
const objectsDir = "s3"

// s3 makes S3. Objects are encrypted under keys that the instance's ring or KMS seals.
func (b *builder) s3(context.Context) (part, error) {
	m := b.m
	files, err := blob.Open(filepath.Join(m.DataDir, objectsDir), func() bool { return m.disk.Reached(disk.NoPushes) })
	if err != nil {
		return part{}, fmt.Errorf("open the objects: %w", err)
	}
	b.objects = s3.New(s3.Config{
		DB: m.db, Namespace: m.ns, Files: files, Seal: m.ring.For("s3"), Keys: b.keys.For("s3"), Endpoint: "http://" + m.is.Listen,
	})
	return part{
		name: "s3", title: "S3", api: b.objects, tagged: b.objects, operations: b.objects.Operations(),
		term: map[string]Runner{
			"s3/expire": freed(m.sourced("s3/expire", expire.New(b.objects.Scope()))),
			"s3/sweep":  freed(&expire.Sweeper{Scope: b.objects.Scope(), Log: m.Log}),
		},
	}, nil
}

// objectsOf returns S3 as the gateway sees it.
func objectsOf(services []part) gateway.Objects {
	if api := apiOf[*s3.API](services); api != nil {
		return api
	}
	return nil
}
