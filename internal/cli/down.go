package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skylift/skylift/internal/daemon"
)

type downCmd struct {
	dataDir
	Purge bool `help:"Remove its data too: images, logs, records, the root key."`
	Yes   bool `help:"Don't ask." short:"y"`
}

func (d downCmd) Run(ctx context.Context, c console) error {
	dir, err := filepath.Abs(d.DataDir)
	if err != nil {
		return err
	}
	if !d.Yes {
		if err := d.confirm(c, dir); err != nil {
			return err
		}
	}
	return daemon.Down(ctx, dir, d.Purge, func(step string) { fmt.Fprintln(c.err, step) })
}

func (d downCmd) confirm(c console, dir string) error {
	if _, err := unix.IoctlGetTermios(int(c.in.Fd()), unix.TCGETS); err != nil { // nobody is there to ask
		return usageError{errors.New("this stops every task of the instance: confirm it with --yes")}
	}
	what := "Stop every task of " + dir
	if d.Purge {
		what += " and delete all its data"
	}
	fmt.Fprintf(c.err, "%s? [y/N] ", what)
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New("not confirmed: nothing was done")
	}
	return nil
}
