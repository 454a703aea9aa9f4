package cluster

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
)

// Streams opens connections to the daemons of a cluster, by kubectl exec.
type Streams struct{ cluster *Cluster }

// Streams are those to what is installed.
func (c *Cluster) Streams() *Streams { return &Streams{cluster: c} }

// Daemon is a pod in which a daemon runs.
type Daemon struct {
	Node string
	// Pod is namespace/name.
	Pod string
}

// Daemons are those that run now, sorted by node.
func (s *Streams) Daemons(ctx context.Context) ([]Daemon, error) {
	pods, err := s.cluster.daemons(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Daemon, 0, len(pods))
	for _, p := range pods {
		all = append(all, Daemon{Node: p.Spec.NodeName, Pod: p.Metadata.Namespace + "/" + p.Metadata.Name})
	}
	slices.SortFunc(all, func(a, b Daemon) int { return cmp.Compare(a.Node, b.Node) })
	return all, nil
}

// Dial opens a stream to the relay of a daemon. The stream ends with Close or ctx. When kubectl ends by itself, reads and writes fail
// with what it said.
func (s *Streams) Dial(ctx context.Context, d Daemon) (io.ReadWriteCloser, error) {
	args := execArgs(d.Pod, true, "relay")
	process, err := s.cluster.opt.Runner.Start(ctx, Command{Args: s.cluster.kubectl.args(args...)})
	if err != nil {
		return nil, s.cluster.kubectl.explain(args, err)
	}
	return &stream{process: process, explain: func(err error) error { return s.cluster.kubectl.explain(args, err) }}, nil
}

// execArgs run a command of the program in the container of a pod, which is namespace/name.
func execArgs(pod string, stdin bool, command ...string) []string {
	namespace, name, _ := strings.Cut(pod, "/")
	args := []string{"exec", "--namespace=" + namespace, name, "--container=" + container}
	if stdin {
		args = append(args, "--stdin")
	}
	return append(append(args, "--", "/"+program), command...)
}

// daemons are the pods in which a daemon runs, of all namespaces.
func (c *Cluster) daemons(ctx context.Context) ([]pod, error) {
	var pods list[pod]
	err := c.kubectl.query(ctx, &pods, "get", "pods", "--all-namespaces", "--selector="+nameLabel+"="+DaemonSet)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(pods.Items, func(p pod) bool {
		return !p.isDaemon() || p.Status.Phase != "Running" || p.Metadata.DeletionTimestamp != nil
	}), nil
}

// stream is a running kubectl exec.
type stream struct {
	process Process
	explain func(error) error
	once    sync.Once
	ended   error // how kubectl ended; set by once
}

// end waits for kubectl, once.
func (s *stream) end() error {
	s.once.Do(func() {
		if s.ended = s.process.Wait(); s.ended != nil {
			s.ended = s.explain(s.ended)
		}
	})
	return s.ended
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.process.Read(p)
	if n > 0 || err == nil {
		return n, nil
	}
	if failed := s.end(); failed != nil {
		return 0, failed
	}
	return 0, err
}

func (s *stream) Write(p []byte) (int, error) {
	n, err := s.process.Write(p)
	if err == nil {
		return n, nil
	}
	s.process.Kill() // its stdin is closed, so it is of no use
	if failed := s.end(); failed != nil {
		return n, failed
	}
	return n, err
}

// Close ends kubectl.
func (s *stream) Close() error {
	_ = s.process.Close()
	s.process.Kill()
	if err := s.end(); err != nil {
		if _, isExit := errors.AsType[*ExitError](err); !isExit && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}
