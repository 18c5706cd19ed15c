package cli

import "github.com/skylift/skylift/internal/daemon"

// serveFilesCmd is what a Skylift that runs starts beside itself; people don't.
type serveFilesCmd struct {
	UID int `arg:""`
	GID int `arg:""`
}

func (s serveFilesCmd) Run() error { return daemon.ServeFiles(s.UID, s.GID) }
