package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/skylift/skylift/internal/daemon"
)

type caCmd struct {
	Print   caPrintCmd   `cmd:"" default:"withargs" help:"Print the root certificate, in PEM."`
	Install caInstallCmd `cmd:"" help:"Make this machine trust it: put it into the system's store."`
	Remove  caRemoveCmd  `cmd:"" help:"Take it out of the system's store."`
}

type caPrintCmd struct{ dataDir }

func (p caPrintCmd) Run(ctx context.Context, c console) error {
	ca, err := told[daemon.CA](ctx, p.DataDir, daemon.CAPath)
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.out, ca.Certificate)
	return err
}

type caInstallCmd struct{ dataDir }

func (i caInstallCmd) Run(ctx context.Context, c console) error {
	ca, err := told[daemon.CA](ctx, i.DataDir, daemon.CAPath)
	if err != nil {
		return err
	}
	file, err := daemon.InstallCA(ctx, ca)
	if err == nil {
		_, err = fmt.Fprintf(c.out, "This machine trusts certificates of this instance now: %s. Programs that run take note when they start again.\n", file)
	}
	return err
}

type caRemoveCmd struct{ dataDir }

func (r caRemoveCmd) Run(ctx context.Context, c console) error {
	removed, err := daemon.RemoveCA(ctx, r.DataDir)
	if err != nil {
		return err
	}
	text := "This machine trusts certificates of this instance no more."
	if !removed {
		text = "This machine's store doesn't have the root of this instance."
	}
	_, err = fmt.Fprintln(c.out, text)
	return err
}
