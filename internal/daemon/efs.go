package daemon

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/skylift/skylift/internal/attach"
	ec2api "github.com/skylift/skylift/internal/service/ec2/api"
	"github.com/skylift/skylift/internal/service/efs"
	efsattach "github.com/skylift/skylift/internal/service/efs/attach"
	"github.com/skylift/skylift/internal/service/efs/volumes"
)

var efsService = service{
	make: (*builder).efs, tables: efs.Tables, dirs: []string{filesDir},
	release: func(dataDir string) error {
		if err := volumes.UnmountAll(filepath.Join(dataDir, mountsDir)); err != nil {
			return fmt.Errorf("unmount the file systems of tasks: %w", err)
		}
		return nil
	},
}

// efs makes EFS, and the directories that its file systems are.
func (b *builder) efs(context.Context) (part, error) {
	m := b.m
	b.files = volumes.New(volumes.Config{
		DB: m.db, Dir: filepath.Join(m.DataDir, filesDir), Mounts: filepath.Join(m.DataDir, mountsDir), Namespace: m.ns, Log: m.Log,
	})
	api := efs.New(m.db, m.ns, fileNetwork{b.network}, principals{b.identity}, m.encrypted)
	return part{
		name: "elasticfilesystem", title: "EFS", api: api, tagged: api, own: api, operations: api.Operations(),
		term: map[string]Runner{
			"efs/attach":  freed(m.sourced("efs/attach", attach.New(m.db, interfaces{b.network}, efsattach.MountTargets{}))),
			"efs/volumes": freed(m.sourced("efs/volumes", b.files)),
		},
	}, nil
}

// filesDir is where in the data directory the files of file systems are.
const filesDir = "efs"

// mountsDir is where in the data directory file systems appear for tasks.
const mountsDir = "mounts"

// fileNetwork is EC2 as EFS sees it.
type fileNetwork struct{ *ec2api.API }

func (n fileNetwork) Subnet(ctx context.Context, id string) (efs.Subnet, error) {
	s, err := n.SubnetByID(ctx, id)
	return efs.Subnet{ID: s.ID, VPC: s.VpcID, AZ: s.AZ, AZID: s.AZID}, err
}
