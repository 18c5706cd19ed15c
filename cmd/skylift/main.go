// Command skylift is a container cloud for your own machines.
package main

import (
	"os"

	"github.com/skylift/skylift/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdout, os.Stderr)) }
