// Command run measures the built daemon beside a bare net/http server that writes the same bytes and, with -base, beside an
// older build. It prints limits and results as a Markdown table. It fails on wrong answers, never on times. make bench runs
// it; docs/performance.md says what it measures.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	shared "mock-ec2-metadata/test/bench"
)

// bench is one run.
type bench struct {
	daemon, bare    string // programs
	base            string // the older build, "" for none
	peer            string // ecs-local, "" for none
	rounds, seconds int
	connections     []int
	short           bool
	identities      bool // measure many identities instead
	parts           []string
	cases           []shared.Case
	serverCPUs      string // those that a server may use under load, as for taskset; "" for all
	wrkCPUs         string
	wrkThreads      int

	dir      string // for all files
	script   string // of wrk
	launched int
	rows     []row
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	b, err := newBench(args)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "mock-ec2-metadata-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	b.script = filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(b.script, script, 0o600); err != nil {
		return err
	}
	for _, name := range b.parts {
		began := time.Now()
		if err := b.measure(name)(ctx); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(os.Stderr, "measured %s in %.1f s\n", name, time.Since(began).Seconds())
	}
	fmt.Println(b.conditions())
	printTable(os.Stdout, b.rows)
	return nil
}

// The parts in the order of the report: those of a daemon with one identity, and those of one with many.
const (
	allParts      = "requests,containers,start,memory,sizes,go,reloads,simulation,observability"
	identityParts = "memory,rate,cold,go"
)

// measure returns the function that measures a part, nil for an unknown name.
func (b *bench) measure(part string) func(context.Context) error {
	if b.identities {
		return map[string]func(context.Context) error{
			"memory": b.identitiesMemory, "rate": b.identitiesRate, "cold": b.identitiesCold, "go": b.identitiesGo,
		}[part]
	}
	return map[string]func(context.Context) error{
		"requests": b.requests, "containers": b.containers, "start": b.start, "memory": b.memory, "sizes": b.sizes, "go": b.goBenchmarks, "reloads": b.reloads,
		"simulation": b.simulation, "observability": b.observability,
	}[part]
}

func newBench(args []string) (*bench, error) {
	b := &bench{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.daemon, "daemon", "bin/mock-ec2-metadata", "the daemon")
	flags.StringVar(&b.base, "base", "", "an older build of the daemon to compare with")
	flags.StringVar(&b.peer, "peer", "", "a build of amazon-ecs-local-container-endpoints to compare with")
	flags.StringVar(&b.bare, "bare", "bin/bench-bare", "the bare server")
	flags.IntVar(&b.rounds, "rounds", 0, "how often each request is measured; 0: 11, or 1 if short")
	flags.IntVar(&b.seconds, "seconds", 1, "how long each time, in s")
	connections := flags.String("connections", "16,256", "connections of wrk, with commas between")
	flags.BoolVar(&b.short, "short", false, "a quick run that measures little, for CI")
	flags.BoolVar(&b.identities, "identities", false, "measure a daemon with many identities, beside one with one; needs neither wrk nor the bare server")
	parts := flags.String("parts", "", "what to measure: "+allParts+", or with -identities "+identityParts+"; all if empty")
	cases := flags.String("cases", "", "which requests, by the names in test/bench; all if empty")
	pin := flags.Bool("pin", false, "give server and wrk processors of their own")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for c := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(c)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-connections %s: want numbers with commas between, as in 16,256", *connections)
		}
		b.connections = append(b.connections, n)
	}
	if err := b.chooseParts(*parts); err != nil {
		return nil, err
	}
	if err := b.choose(*cases); err != nil {
		return nil, err
	}
	if b.rounds == 0 && b.short {
		b.rounds = 1
	} else if b.rounds == 0 {
		b.rounds = 11
	}
	if b.rounds < 1 || b.seconds < 1 {
		return nil, errors.New("-rounds and -seconds: want at least 1")
	}
	if err := b.locate(); err != nil {
		return nil, err
	}
	cpus, err := processors()
	if err != nil {
		return nil, err
	}
	b.wrkThreads = 1
	if n := len(cpus); *pin && n > 1 {
		b.serverCPUs, b.wrkCPUs, b.wrkThreads = strings.Join(cpus[:n/2], ","), strings.Join(cpus[n/2:], ","), n-n/2
	}
	return b, nil
}

// chooseParts selects the parts of these names, with commas between, or all.
func (b *bench) chooseParts(names string) error {
	known := allParts
	if b.identities {
		known = identityParts
	}
	for part := range strings.SplitSeq(cmp.Or(names, known), ",") {
		if b.measure(part) == nil {
			return fmt.Errorf("-parts %s: there is no part %q, but %s", names, part, known)
		}
		b.parts = append(b.parts, part)
	}
	return nil
}

// choose selects the cases of these names, with commas between, or all.
func (b *bench) choose(names string) error {
	var known []string
	for _, c := range shared.Cases() {
		known = append(known, c.Name)
		if names == "" || slices.Contains(strings.Split(names, ","), c.Name) {
			b.cases = append(b.cases, c)
		}
	}
	if names != "" && len(b.cases) != len(strings.Split(names, ",")) {
		return fmt.Errorf("-cases %s: there is no request of that name, but %s", names, strings.Join(known, ","))
	}
	return nil
}

// daemons returns the programs of the new daemon and, if there is one, of the old one.
func (b *bench) daemons() []string {
	if b.base == "" {
		return []string{b.daemon}
	}
	return []string{b.daemon, b.base}
}

// locate makes the paths of the programs absolute and checks that they exist.
func (b *bench) locate() error {
	programs := []*string{&b.daemon}
	if !b.identities {
		programs = append(programs, &b.bare)
	}
	for _, other := range []*string{&b.base, &b.peer} {
		if *other != "" {
			programs = append(programs, other)
		}
	}
	for _, program := range programs {
		var err error
		if *program, err = filepath.Abs(*program); err != nil {
			return err
		}
		if _, err := os.Stat(*program); err != nil {
			return fmt.Errorf("%w; make bench builds the daemon and the bare server, BASE names an older build, PEER one of ecs-local", err)
		}
	}
	if b.identities {
		return nil
	}
	for tool, pkg := range map[string]string{"wrk": "wrk", "taskset": "util-linux"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed; install it (Debian: apt-get install %s)", tool, pkg)
		}
	}
	return nil
}
