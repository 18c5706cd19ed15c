// Command skylift is a container cloud for your own machines.
package main

import (
	"os"

	"github.com/skylift/skylift/internal/cli"
	"github.com/skylift/skylift/internal/engine/containerd/output"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == output.Command {
		os.Exit(output.Main(os.Args[2:])) // before all else: it is to stay small
	}
	os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr))
}
