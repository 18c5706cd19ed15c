package daemon

import "github.com/skylift/skylift/internal/service/efs/volumes"

// ServeFiles serves a mount of a file system, until it is gone, in a process of
// its own; see volumes.Serve.
func ServeFiles(uid, gid int) error { return volumes.Serve(uid, gid) }
