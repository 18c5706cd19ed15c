package cli

import "github.com/skylift/skylift/internal/daemon"

// serveFilesCmd is a command that Skylift starts for itself; people don't.
type serveFilesCmd struct {
	UID int `arg:""`
	GID int `arg:""`
}

func (s serveFilesCmd) Run() error { return daemon.ServeFiles(s.UID, s.GID) }
