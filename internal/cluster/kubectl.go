package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of a run of kubectl.
const (
	queryTimeout = 30 * time.Second
	applyTimeout = 60 * time.Second
	// requestTimeout bounds each request of kubectl's own, so that a dead API server is told early.
	requestTimeout = "--request-timeout=15s"
)

// Kubectl runs kubectl for one context.
type Kubectl struct {
	// Command is kubectl, or minikube kubectl --.
	Command []string
	// Context and Kubeconfig are kubectl's; "" for its defaults.
	Context, Kubeconfig string
	runner              Runner
	// found is the context of the kubeconfig when the command began; "" before it is known. A command may run for hours, and the user may
	// choose another current context meanwhile.
	found string
}

// FindKubectl finds kubectl, or minikube that brings one.
func FindKubectl(r Runner, kubeContext, kubeconfig string) (*Kubectl, error) {
	k := &Kubectl{Context: kubeContext, Kubeconfig: kubeconfig, runner: r}
	switch {
	case r.Find("kubectl"):
		k.Command = []string{"kubectl"}
	case r.Find("minikube"):
		k.Command = []string{"minikube", "kubectl", "--"}
	default:
		return nil, errors.New("kubectl: not found on the PATH, nor minikube; install it: https://kubernetes.io/docs/tasks/tools/")
	}
	return k, nil
}

// args are the words of a whole command, for the cluster with which the command began.
func (k *Kubectl) args(args ...string) []string {
	all := k.words(args)
	if k.Context != "" || k.found == "" {
		return all
	}
	if at := slices.Index(all[len(k.Command):], "--"); at >= 0 { // what follows is a command in a pod
		return slices.Insert(all, len(k.Command)+at, "--context="+k.found)
	}
	return append(all, "--context="+k.found)
}

// words are the words of a command as the user types it.
func (k *Kubectl) words(args []string) []string {
	all := append([]string(nil), k.Command...)
	if k.Kubeconfig != "" {
		all = append(all, "--kubeconfig="+k.Kubeconfig)
	}
	if k.Context != "" {
		all = append(all, "--context="+k.Context)
	}
	return append(all, args...)
}

// Shown is a command as a user types it for this cluster.
func (k *Kubectl) Shown(args ...string) string {
	return Command{Args: k.words(args)}.String()
}

// run runs kubectl within a time. Its error says what was tried, what kubectl says of it and the way out.
func (k *Kubectl) run(ctx context.Context, within time.Duration, stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %s", within))
	defer cancel()
	c := Command{Args: k.args(args...)}
	if stdin != nil {
		c.Stdin = bytes.NewReader(stdin)
	}
	out, err := k.runner.Run(ctx, c)
	if err != nil {
		return nil, k.explain(args, err)
	}
	return out, nil
}

// query runs a command that prints JSON.
func (k *Kubectl) query(ctx context.Context, into any, args ...string) error {
	args = append(args, "-o", "json", requestTimeout)
	out, err := k.run(ctx, queryTimeout, nil, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("%s: cannot read what it printed: %w", k.Shown(args...), err)
	}
	return nil
}

// Error is a failed run of kubectl.
type Error struct {
	// Tried is the command.
	Tried string
	// Err is what failed: an *ExitError with kubectl's own text, or that there was no end in time.
	Err error
	// Hint is the way out; "" if none is known.
	Hint string
}

func (e *Error) Error() string {
	text := e.Tried + ": " + said(e.Err)
	if e.Hint != "" {
		text += "\n" + e.Hint
	}
	return text
}

// Unwrap returns what failed.
func (e *Error) Unwrap() error { return e.Err }

// said is what kubectl printed, without the lines of its libraries' log and words that say nothing.
func said(err error) string {
	exit, ok := errors.AsType[*ExitError](err)
	if !ok {
		return err.Error()
	}
	var kept []string
	for _, line := range lines(exit.Stderr) {
		if !logLine.MatchString(line) {
			kept = append(kept, strings.TrimPrefix(line, "error: "))
		}
	}
	if len(kept) == 0 {
		return exit.Error()
	}
	return strings.Join(kept[max(0, len(kept)-10):], "\n")
}
