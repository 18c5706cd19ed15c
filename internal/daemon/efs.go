package daemon

import (
	"context"
	"path/filepath"

	"github.com/skylift/skylift/internal/attach"
	"github.com/skylift/skylift/internal/service/ec2"
	"github.com/skylift/skylift/internal/service/efs"
	efsattach "github.com/skylift/skylift/internal/service/efs/attach"
	"github.com/skylift/skylift/internal/service/efs/volumes"
)

// efs makes EFS, and the directories that its file systems are.
func (b *builder) efs(context.Context) (part, error) {
	m := b.m
	b.files = volumes.New(volumes.Config{
		DB: m.db, Dir: filepath.Join(m.DataDir, filesDir), Mounts: filepath.Join(m.DataDir, mountsDir), Region: m.is.Region, Log: m.Log,
	})
	api := efs.New(m.db, m.ns, fileNetwork{b.network}, m.encrypted)
	return part{
		name: "elasticfilesystem", title: "EFS", api: api, tagged: api, operations: api.Operations(),
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
type fileNetwork struct{ *ec2.API }

func (n fileNetwork) Subnet(ctx context.Context, id string) (efs.Subnet, error) {
	s, err := n.SubnetByID(ctx, id)
	return efs.Subnet{ID: s.ID, VPC: s.VpcID, AZ: s.AZ, AZID: s.AZID}, err
}
