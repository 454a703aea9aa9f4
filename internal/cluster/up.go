package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// UpOptions are those of up alone.
type UpOptions struct {
	// Feed gives the daemons credentials until ctx is done, over what Dial opens; nil if they have others than this machine's.
	Feed func(ctx context.Context, s *Streams) error
	// Detach returns instead of feeding.
	Detach bool
	// Occupied says what answers at 169.254.169.254 on this machine, "" for nothing; nil to not ask. It is asked if this machine is a
	// node, and the daemon is not there yet.
	Occupied func(ctx context.Context) string
}

// Up installs the daemon or a new version of it, proves that pods reach it, and feeds it. Run again, it changes nothing.
func (c *Cluster) Up(ctx context.Context, opt UpOptions) error {
	err := c.up(ctx, opt)
	if ctx.Err() != nil && err != nil { // kubectl gets the terminal's signal too, and fails in its own way
		return fmt.Errorf("up: interrupted; run it again, or %s down takes away what is there", program)
	}
	return err
}

func (c *Cluster) up(ctx context.Context, opt UpOptions) error {
	info, err := c.enter(ctx, "install mock-ec2-metadata")
	if err != nil {
		return err
	}
	present, absent := info.present()
	for _, why := range absent {
		c.out.line(markNote, "nodes", "%s: it is not waited for", why)
	}
	if len(present) == 0 {
		return fmt.Errorf("the cluster of context %s: no node can run pods; kubectl get nodes shows why", info.Context)
	}
	before, err := c.inventory(ctx, info.Network)
	if err != nil {
		return err
	}
	if len(before.others) > 0 {
		d := before.others[0]
		return fmt.Errorf("%s: %s has made it, and a node can have one daemon alone; remove it first, or upgrade it the same way",
			d, maker(d.Metadata))
	}
	if opt.Occupied != nil && info.ThisMachine && len(before.sets) == 0 {
		if what := opt.Occupied(ctx); what != "" {
			return fmt.Errorf("169.254.169.254: %s answers there on this machine, which is a node; stop it first", what)
		}
	}
	rendered, err := c.provide(ctx, info, before.pods)
	if err != nil {
		return err
	}
	docs, err := c.render(ctx, rendered)
	if err != nil {
		return err
	}
	if c.opt.DryRun {
		return c.showUp(docs, before)
	}
	if err := c.install(ctx, docs, before, present); err != nil {
		return err
	}
	return c.feed(ctx, opt, present, func(ctx context.Context) error { return c.prove(ctx, info, rendered, present) })
}

// maker says who has made an object.
func maker(m metadata) string {
	if by := m.Labels[managedLabel]; by != "" {
		return by
	}
	return "something else"
}

// install makes the changes, and waits until they are in effect.
func (c *Cluster) install(ctx context.Context, docs []document, before *inventory, present []string) error {
	if err := c.sweep(ctx, before.strays, present); err != nil {
		return err
	}
	var moved []object
	for _, d := range before.sets {
		if d.Metadata.Namespace != c.opt.Namespace {
			c.out.line(markNote, "objects", "%s is taken away: it moves to the namespace %s", d, c.opt.Namespace)
			moved = append(moved, d.object)
		}
	}
	if len(moved) > 0 { // the new one's pods cannot have an address that the old one's have
		if err := c.remove(ctx, moved, false); err != nil {
			return err
		}
		if left, err := c.awaitGone(ctx, present); err != nil || len(left) > 0 {
			return errors.Join(err, stillThere(left))
		}
	}
	if err := c.apply(ctx, docs, before); err != nil {
		return err
	}
	return c.awaitRollout(ctx, present)
}

// stillThere is the error for pods that do not end; nil without any.
func stillThere(nodes []string) error {
	if len(nodes) == 0 {
		return nil
	}
	return fmt.Errorf("the pods on %s: they do not end; kubectl describe pod says why", listed(nodes))
}

// showUp prints what up would send. The lines before it are comments.
func (c *Cluster) showUp(docs []document, before *inventory) error {
	c.out.line(markNote, "objects", "would be applied: %s",
		c.kubectl.Shown("apply", "--server-side", "--force-conflicts", "--field-manager="+program, "--filename=-"))
	for _, o := range before.objects {
		stays := slices.ContainsFunc(docs, func(d document) bool {
			return d.kind == o.Kind && d.name == o.Metadata.Name && d.namespace == o.Metadata.Namespace
		})
		if !stays {
			c.out.line(markNote, "objects", "would be removed: %s", o)
		}
	}
	_, err := c.opt.Out.Write(public(docs))
	return err
}

// Feed feeds the daemons that run, also those that Helm or kubectl has installed, until ctx is done. It changes no object. The error is
// ErrNotInstalled without any.
func (c *Cluster) Feed(ctx context.Context, feed func(ctx context.Context, s *Streams) error) error {
	if _, err := c.enter(ctx, "give credentials to mock-ec2-metadata"); err != nil {
		return err
	}
	daemons, err := c.Streams().Daemons(ctx)
	if err != nil {
		return err
	}
	if len(daemons) == 0 {
		return ErrNotInstalled
	}
	nodes := make([]string, len(daemons))
	for i, d := range daemons {
		nodes[i] = d.Node
	}
	return c.feed(ctx, UpOptions{Feed: feed}, nodes, func(context.Context) error { return nil })
}

// feed feeds the daemons, or says how to. prove runs beside it, or first where nothing is fed. After an upgrade the daemons have no
// credentials, so pods must not wait for the proof, too.
func (c *Cluster) feed(ctx context.Context, opt UpOptions, nodes []string, prove func(context.Context) error) error {
	if opt.Feed == nil || opt.Detach {
		err := prove(ctx)
		if err == nil && opt.Feed != nil {
			c.out.line(markNote, "feed", "no credentials go to the cluster now: its pods get 503 until you run\n%s up", program)
		}
		return err
	}
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	var failed error // set when ended is closed
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		failed = opt.Feed(feeding, &Streams{cluster: c})
	}()
	if err := prove(ctx); err != nil {
		stop()
		<-ended // the proof's error says more
		return err
	}
	c.out.line(markOK, "feed", "credentials go to %s until you press Ctrl-C", listed(nodes))
	<-ended
	if failed != nil && ctx.Err() == nil {
		return failed
	}
	c.out.line(markNote, "feed", "stopped: pods keep what they have until it expires; %s up feeds them again", program)
	return nil
}
