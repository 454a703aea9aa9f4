package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds of waiting for pods to end. They have a grace period of 15 seconds.
const (
	goneTick    = time.Second
	goneTimeout = 60 * time.Second
)

// Down takes everything away that up has made: the DaemonSet, then on each node what it left there, then the rest. It finds things in
// any namespace, also after an up or a down that was interrupted.
func (c *Cluster) Down(ctx context.Context) error {
	err := c.down(ctx)
	if ctx.Err() != nil && err != nil {
		return errors.New("down: interrupted; run it again")
	}
	return err
}

func (c *Cluster) down(ctx context.Context) error {
	info, err := c.enter(ctx, "take mock-ec2-metadata away")
	if err != nil {
		return err
	}
	found, err := c.inventory(ctx, info.Network)
	if err != nil {
		return err
	}
	for _, d := range found.others {
		c.out.line(markNote, "objects", "%s stays: %s has made it", d, maker(d.Metadata))
	}
	if found.isEmpty() {
		c.out.line(markOK, "objects", "there is nothing to take away")
		return nil
	}
	if c.opt.DryRun {
		return c.showDown(ctx, found)
	}
	present, unreached := info.present()
	if err := c.sweep(ctx, found.strays, present); err != nil {
		return err
	}
	var sets []object
	for _, d := range found.sets {
		sets = append(sets, d.object)
	}
	if err := c.remove(ctx, sets, false); err != nil {
		return err
	}
	left, err := c.awaitGone(ctx, present)
	if err != nil {
		return err
	}
	for _, name := range left {
		unreached = append(unreached, name+" has a pod that does not end")
	}
	present = slices.DeleteFunc(present, func(name string) bool { return slices.Contains(left, name) })
	if len(sets) > 0 {
		c.out.line(markOK, "daemons", "stopped")
	}
	failed, err := c.cleanup(ctx, info, found, present)
	if err != nil {
		return err
	}
	unreached = append(unreached, failed...)
	if err := c.removeRest(ctx, info, len(unreached) == 0); err != nil {
		return err
	}
	if len(unreached) > 0 {
		return fmt.Errorf("down: these nodes were not cleaned: %s\nOn each, as root: %s route remove; rm -r /var/lib/mock-ec2-metadata. "+
			"A restart of a node removes the address, too", strings.Join(unreached, "; "), program)
	}
	return nil
}

// awaitGone waits until no pod of a DaemonSet is on the nodes. left are nodes that still have one.
func (c *Cluster) awaitGone(ctx context.Context, nodes []string) (left []string, err error) {
	start := time.Now()
	for {
		var pods list[pod]
		if err := c.kubectl.query(ctx, &pods, "get", "pods", "--all-namespaces", "--selector="+ourLabels); err != nil {
			return nil, err
		}
		left = nil
		for _, p := range pods.Items {
			if p.isDaemon() && slices.Contains(nodes, p.Spec.NodeName) {
				left = append(left, p.Spec.NodeName)
			}
		}
		if len(left) == 0 || time.Since(start) > goneTimeout {
			return left, nil
		}
		if err := pause(ctx, goneTick); err != nil {
			return nil, err
		}
	}
}

// cleanup runs a pod on each node that removes what the daemon left. failed are nodes where it could not, each with why.
func (c *Cluster) cleanup(ctx context.Context, info *Info, found *inventory, nodes []string) (failed []string, err error) {
	namespace, err := c.cleanupNamespace(ctx, found)
	if err != nil {
		return nil, err
	}
	clean := 0
	results := onNodes(nodes, func(name string) error {
		rendered, _ := c.cleanupImage(info, found, name)
		rendered.Namespace = namespace
		manifest, err := c.opt.Manifest.Cleanup(rendered, name)
		if err != nil {
			return err
		}
		return c.oneShot(ctx, manifest)
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for i, err := range results {
		_, guessed := c.cleanupImage(info, found, nodes[i])
		switch {
		case err == nil:
			clean++
		case guessed && strings.Contains(err.Error(), "ErrImageNeverPull"):
			c.out.line(markNote, "nodes", "%s has no image of this program: no daemon has run there", nodes[i])
		default:
			c.out.line(markFail, "nodes", "%s was not cleaned: %v", nodes[i], err)
			failed = append(failed, nodes[i]+" failed")
		}
	}
	c.out.line(markOK, "nodes", "%d of %d cleaned", clean, len(nodes))
	return failed, nil
}

// cleanupImage is the image that a node has for sure, or else a guess, and the user whose files are there, as far as it is known.
func (c *Cluster) cleanupImage(info *Info, found *inventory, name string) (r Rendered, guessed bool) {
	for _, d := range found.sets {
		spec := &d.Spec.Template.Spec
		image, policy := spec.image()
		return Rendered{Image: image, PullPolicy: policy, User: spec.SecurityContext.FSGroup}, false
	}
	for _, n := range info.nodes {
		if n.Metadata.Name != name {
			continue
		}
		for _, image := range n.images() {
			repository, _, tagged := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
			if tagged && repository == program {
				return Rendered{Image: image, PullPolicy: pullIfMissing}, false
			}
		}
	}
	if c.opt.Image.Ref != "" {
		return Rendered{Image: c.opt.Image.Ref, PullPolicy: pullIfMissing}, false
	}
	tag := c.opt.Image.Tag
	if tag == "" {
		tag = program + ":latest"
	}
	return Rendered{Image: tag, PullPolicy: pullNever}, true
}

// cleanupNamespace is one that admits the pods. It makes one if somebody has deleted it.
func (c *Cluster) cleanupNamespace(ctx context.Context, found *inventory) (string, error) {
	for _, d := range found.sets {
		return d.Metadata.Namespace, nil
	}
	for _, o := range found.namespaces() {
		if o.Metadata.DeletionTimestamp == nil {
			return o.Metadata.Name, nil
		}
	}
	manifest, err := c.opt.Manifest.Objects(Rendered{Namespace: c.opt.Namespace, Image: program, PullPolicy: pullNever})
	if err != nil {
		return "", err
	}
	docs, err := documents(manifest)
	if err != nil {
		return "", err
	}
	err = c.kubectl.query(ctx, &object{}, "get", "namespace", c.opt.Namespace)
	if err == nil || !isNotFound(err) {
		return c.opt.Namespace, err
	}
	_, err = c.kubectl.run(ctx, applyTimeout, join(docs, func(d document) bool { return d.kind == "Namespace" }),
		"apply", "--server-side", "--force-conflicts", "--field-manager="+program, "--filename=-")
	return c.opt.Namespace, err
}

// removeRest deletes all other objects. A namespace stays if others use it. It ends only after its pods, of which a node that is away ends
// none: wait must be false then.
func (c *Cluster) removeRest(ctx context.Context, info *Info, wait bool) error {
	rest, err := c.inventory(ctx, info.Network)
	if err != nil {
		return err
	}
	gone, kept, err := c.removable(ctx, rest.objects)
	if err != nil {
		return err
	}
	if err := c.remove(ctx, gone, wait); err != nil {
		return err
	}
	c.out.line(markOK, "objects", "%d removed", len(gone))
	for _, why := range kept {
		c.out.line(markNote, "objects", "%s", why)
	}
	return nil
}

// showDown prints what would be deleted.
func (c *Cluster) showDown(ctx context.Context, found *inventory) error {
	gone, kept, err := c.removable(ctx, found.objects)
	if err != nil {
		return err
	}
	for _, o := range gone {
		c.out.line(markNote, "objects", "would be removed: %s", o)
	}
	for _, why := range kept {
		c.out.line(markNote, "objects", "%s", why)
	}
	return nil
}
