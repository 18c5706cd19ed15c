// Command bench measures Skylift beside its peers on this machine and prints the figures in one table.
//
// A figure is the median of several rounds with the least and the most. Where there is a peer, rounds of Skylift and of
// the peer alternate, so that what else the machine does falls on both. All load is bounded and stays on this machine,
// and nothing is left behind.
//
//	go run ./test/bench [-only start,idle,task,many,cost,rolling,balancer,registry,scale] [-n 5] [-json | -markdown] [-write docs/benchmarks.md]
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/skylift/skylift/test/bench/cloud"
	"github.com/skylift/skylift/test/bench/figure"
	"github.com/skylift/skylift/test/bench/machine"
)

// bench is what the sections share.
type bench struct {
	cloud.Config
	rounds    int
	load      time.Duration // how long one load on a balancer lasts
	layer     int           // bytes of a layer
	sizes     []int         // numbers of tasks to measure the cost of
	simulated string        // further flags of the simulated program
}

// section measures one part.
type section struct {
	name string
	run  func(context.Context, *bench) ([]figure.Figure, error)
}

var sections = []section{
	{"start", measureStart},
	{"idle", measureIdle},
	{"task", measureTask},
	{"many", measureMany},
	{"cost", measureCost},
	{"rolling", measureRolling},
	{"balancer", measureBalancer},
	{"registry", measureRegistry},
	{"scale", measureScale},
}

// options are the command line.
type options struct {
	bench
	only           string
	json, markdown bool
	write          string
}

func main() {
	o := options{bench: bench{sizes: []int{1000, 5000, 10_000, 20_000}}}
	flag.StringVar(&o.Skylift, "skylift", "bin/skylift", "the program to measure")
	flag.StringVar(&o.only, "only", "", "sections to run, by comma: start, idle, task, many, cost, rolling, balancer, registry, scale (default: all)")
	flag.IntVar(&o.rounds, "n", 5, "rounds")
	flag.DurationVar(&o.load, "d", 5*time.Second, "how long one load on a balancer lasts")
	flag.IntVar(&o.layer, "layer", 500, "size of the layer that is pushed and pulled, in MB")
	flag.Func("sizes", "numbers of tasks on the simulated engine, by comma (default: 1000,5000,10000,20000)", o.readSizes)
	flag.StringVar(&o.simulated, "simulated", "", "further flags of test/bench/simulated, as in '-pprof 127.0.0.1:6060'")
	flag.StringVar(&o.CIDR, "vpc-cidr", "10.93.0.0/16", "range of the VPC of the instances that are measured")
	flag.StringVar(&o.LB, "lb-address", "127.0.0.93", "address of their load balancers")
	flag.BoolVar(&o.json, "json", false, "print JSON")
	flag.BoolVar(&o.markdown, "markdown", false, "print Markdown, with the machine")
	flag.StringVar(&o.write, "write", "", "also write the figures between the marks of this file")
	flag.Parse()
	o.layer *= 1e6
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := o.run(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// readSizes reads numbers of tasks: services have ten each, and ten of them are
// described at once.
func (o *options) readSizes(list string) error {
	o.sizes = nil
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 200 || n%tasksEach != 0 {
			return fmt.Errorf("%q is not a multiple of ten, 200 at least", s)
		}
		o.sizes = append(o.sizes, n)
	}
	return nil
}

func (o *options) run(ctx context.Context) (err error) {
	chosen, err := choose(o.only)
	switch {
	case err != nil:
		return err
	case o.write != "" && (o.only != "" || o.rounds < 5):
		return errors.New("-write records all sections with at least 5 rounds: leave -only and a smaller -n away")
	case os.Geteuid() != 0:
		return errors.New("the instances that are measured need root: run it as root")
	}
	if o.Skylift, err = filepath.Abs(o.Skylift); err != nil {
		return err
	}
	if _, err := os.Stat(o.Skylift); err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	if o.Work, err = os.MkdirTemp("", "skylift-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.Work)
	before := machine.Describe(ctx, o.Skylift)
	var figures []figure.Figure
	for _, s := range chosen {
		begin := time.Now()
		progress("%s", s.name)
		got, err := s.run(ctx, &o.bench)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		figures = append(figures, got...)
		progress("%s: done in %v", s.name, time.Since(begin).Round(time.Second))
	}
	return o.report(os.Stdout, before, figures)
}

// choose returns the sections named by comma, all where none is.
func choose(only string) ([]section, error) {
	if only == "" {
		return sections, nil
	}
	var chosen []section
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no section %q", name)
		}
		chosen = append(chosen, sections[i])
	}
	return chosen, nil
}

func (o *options) report(w io.Writer, m machine.Machine, figures []figure.Figure) error {
	text := m.Markdown(o.rounds) + "\n" + figure.Markdown(figures)
	if o.write != "" {
		doc, err := os.ReadFile(o.write)
		if err != nil {
			return err
		}
		out, err := figure.Between(string(doc), text)
		if err != nil {
			return fmt.Errorf("%s: %w", o.write, err)
		}
		if err := os.WriteFile(o.write, []byte(out), 0o644); err != nil {
			return err
		}
	}
	switch {
	case o.json:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"machine": m, "figures": figures})
	case o.markdown:
		_, err := io.WriteString(w, text)
		return err
	}
	fmt.Fprintf(w, "\nMedians of %d rounds (least – most), on %s\n\n", o.rounds, m)
	return figure.PrintTable(w, figures)
}

// progress tells the user what goes on.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
