package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Bounds of one-shot pods.
const (
	oneShotTick     = 500 * time.Millisecond
	oneShotTimeout  = 75 * time.Second
	oneShotParallel = 6
	// accountWait is how long a new namespace has no default ServiceAccount, and how long the pod of another up takes, at most.
	accountWait = 15 * time.Second
	// tidyTimeout bounds deleting one, also after the user has interrupted the command.
	tidyTimeout = 15 * time.Second
)

// oneShotError is what a pod that failed left.
type oneShotError struct {
	why string
	log []string
}

func (e *oneShotError) Error() string {
	return strings.Join(append([]string{e.why}, e.log...), "\n")
}

// oneShot creates a pod, waits until it has succeeded, and deletes it in any case.
func (c *Cluster) oneShot(ctx context.Context, manifest []byte) (err error) {
	created, err := c.create(ctx, manifest)
	if err != nil {
		return err
	}
	defer func() {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
		defer cancel()
		if e := c.remove(tidy, []object{created}, false); e != nil {
			err = errors.Join(err, e)
		}
	}()
	start := time.Now()
	for {
		var p pod
		if err := c.kubectl.query(ctx, &p, "get", "pod", created.Metadata.Name, "--namespace="+created.Metadata.Namespace); err != nil {
			return err
		}
		why := p.broken()
		switch {
		case p.Status.Phase == "Succeeded":
			return nil
		case p.Status.Phase == "Failed":
			return &oneShotError{why: "the pod failed", log: append(c.logs(ctx, &p), lines(p.Status.Message)...)}
		case why == "" && time.Since(start) > oneShotTimeout:
			why = fmt.Sprintf("the pod has not ended within %s", oneShotTimeout)
		}
		if why != "" {
			return &oneShotError{why: why, log: append(c.logs(ctx, &p), c.events(ctx, &p)...)}
		}
		if err := pause(ctx, oneShotTick); err != nil {
			return err
		}
	}
}

// create makes a pod. It waits for the ServiceAccount that pods need, in a namespace that has just been made, and for the end of the same
// pod of somebody else who runs up.
func (c *Cluster) create(ctx context.Context, manifest []byte) (object, error) {
	for start := time.Now(); ; {
		out, err := c.kubectl.run(ctx, queryTimeout, manifest, "create", "-o", "json", requestTimeout, "--filename=-")
		if err == nil {
			all, err := appliedObjects(out)
			if err != nil {
				return object{}, err
			}
			return all[0], nil
		}
		mayPass := strings.Contains(err.Error(), "error looking up service account") || strings.Contains(err.Error(), "(AlreadyExists)")
		if !mayPass || time.Since(start) > accountWait {
			return object{}, err
		}
		if err := pause(ctx, oneShotTick); err != nil {
			return object{}, err
		}
	}
}

// onNodes runs do for each node, a few at a time, and returns its errors in the order of the nodes.
func onNodes(nodes []string, do func(node string) error) []error {
	results := make([]error, len(nodes))
	slots := make(chan struct{}, oneShotParallel)
	var all sync.WaitGroup
	for i, name := range nodes {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			results[i] = do(name)
		})
	}
	all.Wait()
	return results
}

// prove asks the daemon from a pod on each node, as the pods there do.
func (c *Cluster) prove(ctx context.Context, info *Info, r Rendered, nodes []string) error {
	results := onNodes(nodes, func(node string) error {
		manifest, err := c.opt.Manifest.Probe(r, node)
		if err != nil {
			return err
		}
		return c.oneShot(ctx, manifest)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed []string
	for i, err := range results {
		if err != nil {
			failed = append(failed, nodes[i])
			c.out.line(markFail, "proof", "a pod on %s does not reach the daemon: %v", nodes[i], err)
		}
	}
	if len(failed) == 0 {
		c.out.line(markOK, "proof", "a pod on each of %s reaches 169.254.169.254", nodeCount(len(nodes)))
		return nil
	}
	text := fmt.Sprintf("proof: pods on %s do not reach 169.254.169.254", listed(failed))
	if info.Network.Advice != "" {
		return fmt.Errorf("%s; the network is %s\n%s", text, info.Network, info.Network.Advice)
	}
	return fmt.Errorf("%s; the network is %s, of which nothing is known that keeps them away", text, info.Network)
}
