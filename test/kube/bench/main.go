//go:build linux

// Command bench measures the daemon of a Kubernetes node, beside kube2iam if KUBE2IAM_BIN names a build of it, and prints limits and
// results as a Markdown table. It fails on wrong answers of ours, never on times. It needs Linux, root, and what test/kube/build.sh
// makes. make kube-bench runs it; docs/performance.md says what it measures.
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
	"runtime"
	"strings"
	"syscall"
	"time"
)

// bench is one run.
type bench struct {
	plain, kube     string // programs of ours
	peer            string // kube2iam, "" for none
	k8s             string // directory with the folder bin of test/kube/build.sh
	self            string // this program, which is the client in pods too
	scripts         string // the folder test/kube
	rounds, seconds int
	short           bool
	parts           []string
	dir             string // for all files
	rows            []row
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "kube bench:", err)
		os.Exit(1)
	}
}

// Words that are the first argument where this program starts itself.
const (
	clientWord = "client" // in a pod
	nodeWord   = "node"   // in namespaces of its own
)

func run(ctx context.Context, args []string) error {
	if len(args) == 3 && args[0] == clientWord {
		return ask(ctx, args[1], args[2])
	}
	if b := filepath.Join(k8sDir(), "bin", "kube-apiserver"); !exists(b) && os.Getenv("KUBE_TESTS") != "required" {
		fmt.Printf("NOT MEASURED: there is no %s; build it with test/kube/build.sh, or set K8S_DIR.\n", b)
		return nil
	}
	inside := len(args) > 0 && args[0] == nodeWord
	if inside {
		args = args[1:]
	}
	b, err := newBench(args)
	if err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "mock-ec2-metadata-kube-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if err := os.Chmod(b.dir, 0o755); err != nil {
		return err
	}
	if inside {
		return b.insideNode(ctx)
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

const (
	allParts   = "cluster,node,go,sizes"
	shortParts = "node,go,sizes" // the tests of test/kube have the cluster
)

// measure returns the function that measures a part, nil for an unknown name.
func (b *bench) measure(part string) func(context.Context) error {
	return map[string]func(context.Context) error{"cluster": b.cluster, "node": b.node, "go": b.goBenchmarks, "sizes": b.sizes}[part]
}

func newBench(args []string) (*bench, error) {
	b := &bench{peer: os.Getenv("KUBE2IAM_BIN"), k8s: k8sDir()}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.StringVar(&b.plain, "plain", "bin/mock-ec2-metadata", "the plain daemon")
	flags.StringVar(&b.kube, "kube", "bin/mock-ec2-metadata-kube", "the program for Kubernetes")
	flags.StringVar(&b.scripts, "scripts", "test/kube", "the folder of up.sh")
	flags.IntVar(&b.rounds, "rounds", 0, "how often requests are measured; 0: 9, or 1 if short")
	flags.IntVar(&b.seconds, "seconds", 0, "how long each time, in s; 0: 2, or 1 if short")
	flags.BoolVar(&b.short, "short", false, "a quick run that measures little, for CI")
	parts := flags.String("parts", "", "what to measure: "+allParts+"; all if empty, or without the cluster if short")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	most, known := 9, allParts
	if b.short {
		most, known = 1, shortParts
	}
	b.rounds, b.seconds = cmp.Or(b.rounds, most), cmp.Or(b.seconds, min(most, 2))
	for part := range strings.SplitSeq(cmp.Or(*parts, known), ",") {
		if b.measure(part) == nil {
			return nil, fmt.Errorf("-parts %s: there is no part %q, but %s", *parts, part, allParts)
		}
		b.parts = append(b.parts, part)
	}
	return b, b.locate()
}

// k8sDir is where test/kube/build.sh puts its folder bin.
func k8sDir() string { return cmp.Or(os.Getenv("K8S_DIR"), "/tmp/k8s") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// locate makes the paths absolute and checks that all is there.
func (b *bench) locate() error {
	if os.Geteuid() != 0 {
		return errors.New("only root can make network namespaces; run this as root")
	}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	paths := []*string{&b.plain, &b.kube, &b.scripts, &b.k8s}
	if b.peer != "" {
		paths = append(paths, &b.peer)
	}
	for _, path := range paths {
		if *path, err = filepath.Abs(*path); err != nil {
			return err
		}
		if _, err := os.Stat(*path); err != nil {
			return fmt.Errorf("%w; make kube-bench builds the programs, test/kube/build.sh those of Kubernetes, KUBE2IAM_BIN names kube2iam", err)
		}
	}
	for tool, pkg := range map[string]string{"wrk": "wrk", "etcd": "etcd-server", "unshare": "util-linux", "ip": "iproute2"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed; install it (Debian: apt-get install %s)", tool, pkg)
		}
	}
	return nil
}

// conditions describes the machine and the run.
func (b *bench) conditions() string {
	average, _ := os.ReadFile("/proc/loadavg")
	fields := append(strings.Fields(string(average)), "?", "?", "?")
	return fmt.Sprintf("%d rounds of %d s; %d processors, %s; all programs share them; load average at the end %s.\n",
		b.rounds, b.seconds, runtime.NumCPU(), runtime.Version(), strings.Join(fields[:3], " "))
}

// sizes measures the binary.
func (b *bench) sizes(context.Context) error {
	info, err := os.Stat(b.kube)
	if err != nil {
		return err
	}
	detail := fmt.Sprintf("kube2iam %.1f MB", documented.size)
	if theirs, err := os.Stat(b.peer); err == nil {
		detail = fmt.Sprintf("kube2iam %.1f MB", float64(theirs.Size())/1e6)
	}
	b.rows = append(b.rows, atMost("stripped binary", "%.1f MB", wantedSize, float64(info.Size())/1e6, detail))
	return nil
}
