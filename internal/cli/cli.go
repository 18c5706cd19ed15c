// Package cli is the program's command line: flags to configuration, output
// for people and, with --output json, for programs.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/alecthomas/kong"
)

// Version is the program's version; release builds set it by the linker.
var Version = "0.1.0-dev"

// commands are the subcommands.
type commands struct {
	Serve     serveCmd     `cmd:"" help:"Run Skylift in the foreground."`
	Env       envCmd       `cmd:"" help:"Print what the shell, or an AWS profile, needs to speak to Skylift."`
	Status    statusCmd    `cmd:"" help:"Show services, target health and load balancers at a glance, and what is in the way."`
	Balancers balancersCmd `cmd:"" help:"Show what load balancers have counted since Skylift started."`
	Why       whyCmds      `cmd:"" help:"Tell why a task stopped, or the last ones of a service, or why a call was denied."`
	User      userCmd      `cmd:"" help:"Make users, so that not everybody works with the root key."`
	CA        caCmd        `cmd:"" name:"ca" help:"Print or install the root of the certificates that this instance issues."`
	DNS       dnsCmd       `cmd:"" name:"dns" help:"Say how this machine's resolver asks the name server of an instance."`
	Down      downCmd      `cmd:"" help:"Stop every task of an instance and remove what it has on this machine."`
	Rekey     rekeyCmd     `cmd:"" help:"Seal all secrets of an instance under another root key, while it is stopped."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	ServeFiles serveFilesCmd `cmd:"" hidden:""`
}

// dataDir is the flag that all commands share.
type dataDir struct {
	DataDir string `help:"Where Skylift keeps its data." default:"${data_dir}" env:"SKYLIFT_DATA_DIR"`
}

// console is where a command writes.
type console struct {
	out, err io.Writer
	in       *os.File
}

// usageError is an error of the command line.
type usageError struct{ error }

// Main runs the program and returns its exit code: 0; 1 after an error, which
// it has written to stderr; 2 when the command line is wrong.
func Main(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	err := run(ctx, args, console{stdout, stderr, os.Stdin})
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "skylift: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// exited is how kong's help ends the program.
type exited int

func run(ctx context.Context, args []string, c console) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exited); !ok {
				panic(r)
			}
		}
	}()
	var cmds commands
	parser, err := kong.New(&cmds,
		kong.Name("skylift"),
		kong.Description("A container cloud for your own machines: it speaks AWS and does the work for real."),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(c.out, c.err),
		kong.Exit(func(code int) { panic(exited(code)) }),
		kong.Vars{"data_dir": defaultDataDir()},
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(c),
	)
	if err != nil {
		return err
	}
	k, err := parser.Parse(args)
	if err != nil {
		return usageError{fmt.Errorf("%w; see skylift --help", err)}
	}
	return k.Run()
}

// defaultDataDir is /var/lib/skylift for root and a directory of the user's
// own for others.
func defaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/skylift"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "skylift-data"
	}
	return filepath.Join(home, ".local", "share", "skylift")
}

type versionCmd struct {
	Output string `help:"text or json." enum:"text,json" default:"text" short:"o"`
}

func (v versionCmd) Run(c console) error {
	if v.Output == "json" {
		return printJSON(c.out, map[string]string{"version": Version})
	}
	_, err := fmt.Fprintln(c.out, "skylift", Version)
	return err
}
