package efs

import (
	"context"
	"strings"

	"github.com/skylift/skylift/internal/store"
)

// arnsOf returns the ARNs of file systems and access points, given their ids or ARNs.
func (a *API) arnsOf(_ context.Context, named []string) (list []string) {
	for _, name := range named {
		switch {
		case strings.HasPrefix(name, "fsap-"):
			name = a.ns.ARN(serviceName, "access-point/"+name)
		case strings.HasPrefix(name, "fs-"):
			name = a.arnOf(name)
		}
		list = append(list, name)
	}
	return list
}

// fileSystemsOf returns the ids of the file systems that these mount targets and access points belong to.
func (a *API) fileSystemsOf(ctx context.Context, named []string) (ids []string) {
	_ = a.db.View(ctx, func(tx store.Tx) error { // the handler says what is wrong
		ids = nil
		for _, name := range named {
			id := a.local(&name)
			if m, err := MountTargets.Get(tx, id); err == nil {
				ids = append(ids, m.FileSystem)
			}
			if p, err := AccessPoints.Get(tx, id); err == nil {
				ids = append(ids, p.FileSystem)
			}
		}
		return nil
	})
	return ids
}
