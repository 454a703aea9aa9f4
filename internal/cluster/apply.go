package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// enforceLabel says which pods a namespace admits.
const enforceLabel = "pod-security.kubernetes.io/enforce"

// render makes the documents to apply. It leaves out a namespace that is there and is not ours, since down would delete it.
func (c *Cluster) render(ctx context.Context, r Rendered) ([]document, error) {
	manifest, err := c.opt.Manifest.Objects(r)
	if err != nil {
		return nil, err
	}
	all, err := documents(manifest)
	if err != nil {
		return nil, err
	}
	var there object
	err = c.kubectl.query(ctx, &there, "get", "namespace", r.Namespace)
	switch {
	case err != nil && isNotFound(err):
		return all, nil
	case err != nil:
		return nil, err
	case there.Metadata.DeletionTimestamp != nil:
		return nil, fmt.Errorf("the namespace %s: it is being deleted; try again when it is gone", r.Namespace)
	case there.isOurs():
		return all, nil
	}
	if level := there.Metadata.Labels[enforceLabel]; level != "" && level != "privileged" {
		return nil, fmt.Errorf("the namespace %s: it admits %s pods alone, and ours have the node's network; use another one: --namespace", r.Namespace, level)
	}
	c.out.line(markNote, "objects", "the namespace %s is not changed: something else has made it", r.Namespace)
	return slices.DeleteFunc(all, func(d document) bool { return d.kind == "Namespace" && d.name == r.Namespace }), nil
}

// apply sends the documents, and removes what earlier ones had and these have not. It changes nothing if nothing differs.
func (c *Cluster) apply(ctx context.Context, all []document, before *inventory) error {
	out, err := c.kubectl.run(ctx, applyTimeout, join(all, func(document) bool { return true }),
		"apply", "--server-side", "--force-conflicts", "--field-manager="+program, "-o", "json", "--filename=-")
	if err != nil {
		return err
	}
	applied, err := appliedObjects(out)
	if err != nil {
		return err
	}
	changed := 0
	keep := map[string]bool{}
	for _, o := range applied {
		keep[o.id()] = true
		at := slices.IndexFunc(before.objects, func(b object) bool { return b.id() == o.id() })
		if at < 0 || !isSame(before.objects[at].Metadata, o.Metadata) {
			changed++
		}
	}
	stale := slices.DeleteFunc(slices.Clone(before.objects), func(o object) bool { return keep[o.id()] })
	stale, kept, err := c.removable(ctx, stale)
	if err != nil {
		return err
	}
	if err := c.remove(ctx, stale, false); err != nil {
		return err
	}
	if changed+len(stale) == 0 {
		c.out.line(markOK, "objects", "%d, none of which has changed", len(applied))
	} else {
		c.out.line(markOK, "objects", "%d, of which %d are new or changed; %d of before removed", len(applied), changed, len(stale))
	}
	for _, why := range kept {
		c.out.line(markNote, "objects", "%s", why)
	}
	return nil
}

// isSame compares an object before and after. A generation counts changes that users make; other objects have none, and no status.
func isSame(before, after metadata) bool {
	if before.UID != after.UID {
		return false
	}
	if before.Generation > 0 {
		return before.Generation == after.Generation
	}
	return before.ResourceVersion == after.ResourceVersion
}

// appliedObjects reads what kubectl apply prints: a List, or one object.
func appliedObjects(out []byte) ([]object, error) {
	var printed struct {
		object
		Items []object `json:"items"`
	}
	if err := json.Unmarshal(out, &printed); err != nil {
		return nil, fmt.Errorf("kubectl apply: cannot read what it printed: %w", err)
	}
	if printed.Kind == "List" {
		return printed.Items, nil
	}
	return []object{printed.object}, nil
}
